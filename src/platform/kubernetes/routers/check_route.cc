// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "platform/kubernetes/routers/refusals.h"
#include "platform/kubernetes/routers/router.h"

namespace serin::platform::kubernetes {
namespace {

struct Changed {
  std::string path;
  const json::value* value = nullptr;
};

// The values of `written`, at the ends of its objects, that `defaults` does not have.
void collect(const json::object& written, const json::object* defaults, const std::string& at,
             std::vector<Changed>& changed) {
  for (const auto& [name, value] : written) {
    const std::string path = at.empty() ? std::string(name) : at + "." + std::string(name);
    const json::value* otherwise = defaults == nullptr ? nullptr : defaults->if_contains(name);
    if (const auto* object = value.if_object()) {
      collect(*object, otherwise == nullptr ? nullptr : otherwise->if_object(), path, changed);
    } else if (otherwise == nullptr || canonical_json(*otherwise) != canonical_json(value)) {
      changed.push_back({path, &value});
    }
  }
}

bool refuses(const Refusal& refusal, const Changed& changed) {
  const bool within =
      changed.path == refusal.field || changed.path.starts_with(std::string(refusal.field) + ".");
  if (!within || refusal.only.empty()) return within;
  const json::value& value = *changed.value;
  return refusal.only ==
         (value.is_string() ? std::string(value.get_string()) : canonical_json(value));
}

struct Refused {
  std::string field;
  std::string why;
};

// What tables of single fields cannot say.
void add_pairs(const json::object& spec, const Fields& fields, std::vector<Refused>& refused) {
  const json::value& metrics = spec.at("rollout").at("analysis").at("metrics");
  const auto by_users = [](const json::value& metric) {
    const json::value* scorer = metric.as_object().if_contains("scorer");
    return scorer != nullptr && *scorer == "feedback";
  };
  if (std::ranges::any_of(metrics.as_array(), by_users))
    refused.push_back({"spec.rollout.analysis.metrics",
                       "what users say of an answer is told to Serin's gateway, which has to know "
                       "the request; write router: serin, or leave the scorer feedback out"});
  if (fields.router == Router::kGatewayApi && fields.endpoint_picker.empty() &&
      spec.at("resilience").at("loadBalancer") == "prefixAware")
    refused.push_back({"spec.resilience.loadBalancer",
                       "only an endpoint picker knows who has a conversation's cache; write "
                       "spec.kubernetes.endpointPicker, or leastRequest"});
}

}  // namespace

Status check_route(const json::object& spec, const json::object& defaults) {
  const Fields fields = read_fields(spec.at("kubernetes").as_object());
  if (fields.router == Router::kSerin) return {};
  std::vector<Changed> changed;
  collect(spec, &defaults, "", changed);
  std::vector<Refused> refused;
  for (const Changed& one : changed) {
    const auto table = refusals_of(fields.router);
    const auto found =
        std::ranges::find_if(table, [&](const Refusal& refusal) { return refuses(refusal, one); });
    if (found != table.end()) refused.push_back({"spec." + one.path, std::string(found->why)});
  }
  add_pairs(spec, fields, refused);
  if (refused.empty()) return {};
  std::string message;
  for (const Refused& one : refused) {
    if (!message.empty()) message += "\n";
    message +=
        one.field + ": not with router " + std::string(name_of(fields.router)) + ": " + one.why;
  }
  return fail(Error{Code::kUnimplemented, std::move(message), {}, refused.front().field});
}

}  // namespace serin::platform::kubernetes
