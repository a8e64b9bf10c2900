// SPDX-License-Identifier: Apache-2.0
#include "platform/kubernetes/objects/check_for_cluster.h"

#include <string>
#include <string_view>

#include "base/json_at.h"
#include "platform/kubernetes/objects/services.h"

namespace serin::platform::kubernetes {
namespace {

tl::unexpected<Error> wrong(const std::string& field, const std::string& what) {
  return invalid(field + ": " + what, field);
}

// A service is called what its Service is called, and all gateways of a namespace are one.
Status check_name(std::string_view name) {
  if (name == kGatewayName)
    return wrong("metadata.name", std::string(name) + " is Serin's gateway; choose another name");
  if (name.front() >= '0' && name.front() <= '9')
    return wrong("metadata.name",
                 "on a cluster it begins with a letter, for a Service is called "
                 "so; \"" +
                     std::string(name) + "\" does not");
  return {};
}

// Calls with each item of the list at `pointer` and its path, up to the first error.
template <class Check>
Status each_of(const json::value& document, std::string_view pointer, const std::string& path,
               Check check) {
  const json::value* list = value_at(document, pointer);
  if (list == nullptr || !list->is_array()) return {};
  std::size_t at = 0;
  for (const json::value& item : list->get_array())
    SERIN_TRY(check(item.as_object(), path + "[" + std::to_string(at++) + "]"));
  return {};
}

Status check_scorer(const json::object& scorer, const std::string& path) {
  if (!scorer.contains("command")) return {};
  return wrong(path + ".command",
               "on a cluster a scorer is a server, which url names, or a service");
}

Status check_notification(const json::object& target, const std::string& path) {
  if (target.contains("command"))
    return wrong(path + ".command", "on a cluster events go to a server, which url names");
  if (!target.contains("secretFile"))
    return wrong(path + ".secretFile", "is missing: it signs what is sent");
  return {};
}

Status check_toleration(const json::object& toleration, const std::string& path) {
  const bool exists = toleration.at("operator") == "Exists";
  if (exists && toleration.contains("value"))
    return wrong(path + ".value", "means something with operator Equal only");
  if (!exists && !toleration.contains("key"))
    return wrong(path + ".key", "is missing; every taint is meant by operator: Exists without key");
  const json::value* effect = toleration.if_contains("effect");
  const bool evicts = effect != nullptr && *effect == "NoExecute";
  if (!evicts && toleration.contains("tolerationSeconds"))
    return wrong(path + ".tolerationSeconds", "means something with effect NoExecute only");
  return {};
}

}  // namespace

Status check_for_cluster(const json::value& document, const Fields& fields) {
  SERIN_TRY(check_name(text_at(document, "/metadata/name")));
  SERIN_TRY(check_model(text_at(document, "/spec/model"), fields));
  SERIN_TRY(each_of(document, "/spec/rollout/analysis/scorers", "spec.rollout.analysis.scorers",
                    check_scorer));
  SERIN_TRY(each_of(document, "/spec/notifications", "spec.notifications", check_notification));
  return each_of(document, "/spec/kubernetes/tolerations", "spec.kubernetes.tolerations",
                 check_toleration);
}

}  // namespace serin::platform::kubernetes
