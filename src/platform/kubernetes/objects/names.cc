// SPDX-License-Identifier: Apache-2.0
#include "platform/kubernetes/objects/names.h"

#include <utility>

#include "base/digest.h"
#include "platform/kubernetes/objects/crd.h"

namespace serin::platform::kubernetes {
namespace {

constexpr std::size_t kHashLetters = 6;

// `whole`: what no other name is of. The service is cut where the name would be too long.
std::string hashed_name(std::string_view service, std::string_view part, const std::string& whole) {
  const std::string hash = sha256_hex(whole).substr(0, kHashLetters);
  const std::string end = "-" + std::string(part.substr(0, kLongestName / 2)) + "-" + hash;
  std::string name(service.substr(0, kLongestName - end.size()));
  while (name.ends_with('-')) name.pop_back();
  return name + end;
}

}  // namespace

// Neither a service nor a label may have a '/', so that no two names are of one text.
std::string version_name(std::string_view service, std::string_view label) {
  return hashed_name(service, label, std::string(service) + "/" + std::string(label));
}
std::string own_gateway_name(std::string_view service) {
  return hashed_name(service, "gateway", std::string(service) + "//gateway");
}

json::object service_selector(std::string_view service) { return {{kServiceLabel, service}}; }

json::object version_selector(std::string_view service, std::string_view label) {
  return {{kServiceLabel, service}, {kVersionLabel, label}};
}

json::object service_labels(std::string_view service) {
  return {{"app.kubernetes.io/name", service},
          {"app.kubernetes.io/managed-by", "serin"},
          {kServiceLabel, service}};
}

json::object version_labels(std::string_view service, std::string_view label) {
  return {{"app.kubernetes.io/name", service},
          {"app.kubernetes.io/version", label},
          {"app.kubernetes.io/component", "worker"},
          {"app.kubernetes.io/managed-by", "serin"},
          {kServiceLabel, service},
          {kVersionLabel, label}};
}

json::object metadata_of(std::string_view name, std::string_view name_space, json::object labels,
                         const Owner* owner) {
  json::object metadata{{"name", name}, {"namespace", name_space}, {"labels", std::move(labels)}};
  if (owner == nullptr) return metadata;
  json::object reference{{"apiVersion", kApiVersion}, {"kind", kKind},
                         {"name", owner->name},       {"uid", owner->uid},
                         {"controller", true},        {"blockOwnerDeletion", true}};
  metadata["ownerReferences"] = json::array{std::move(reference)};
  return metadata;
}

}  // namespace serin::platform::kubernetes
