// SPDX-License-Identifier: Apache-2.0
#include "platform/kubernetes/routers/backends.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <utility>

#include "base/check.h"
#include "base/json_at.h"
#include "base/quantity.h"
#include "platform/kubernetes/objects/services.h"

namespace serin::platform::kubernetes {
namespace {

constexpr std::string_view kStableAnnotation = "serin.dev/stable";
constexpr std::string_view kCandidateAnnotation = "serin.dev/candidate";

std::string annotation_of(const json::value& live, std::string_view name) {
  const json::value* annotations = value_at(live, "/metadata/annotations");
  if (annotations == nullptr || !annotations->is_object()) return {};
  const json::value* value = annotations->get_object().if_contains(name);
  return value != nullptr && value->is_string() ? std::string(value->get_string()) : std::string();
}

// Empty where there is no list.
json::array list_at(const json::value& value, const std::string& pointer) {
  const json::value* list = value_at(value, pointer);
  return list != nullptr && list->is_array() ? list->get_array() : json::array();
}

tl::unexpected<Error> changed(const Route& route, const std::string& what) {
  return fail(Code::kFailedPrecondition, route.name_space + "/" + route.traffic.service + ": " +
                                             what + ": somebody else has changed it");
}

// What one rule says of the versions whose labels are in `found`.
Result<int> candidate_weight(const Route& route, const Rule& rule, const Weights& found,
                             std::string (*name)(std::string_view, std::string_view)) {
  if (rule.backends.empty()) return changed(route, rule.path + " sends requests to no version");
  std::int64_t sum = 0, candidate = 0;
  for (const Backend& backend : rule.backends) {
    const bool is_candidate =
        !found.candidate.empty() && backend.name == name(route.traffic.service, found.candidate);
    if (!is_candidate && backend.name != name(route.traffic.service, found.stable))
      return changed(route, backend.path + " is " + json::serialize(json::value(backend.name)) +
                                ", which is neither " + found.stable + " nor a candidate");
    const std::int64_t weight = backend.weight.value_or(rule.backends.size() == 1 ? 100 : 0);
    sum += weight;
    if (is_candidate) candidate += weight;
  }
  if (sum != 100)
    return changed(route, "the weights of " + rule.path + " are " + std::to_string(sum) +
                              " together, not 100");
  if (candidate < 0 || candidate > 100)
    return changed(route, "a weight of " + rule.path + " is not 0 to 100");
  return static_cast<int>(candidate);
}

}  // namespace

std::int64_t milliseconds_of(const json::value& duration) {
  const auto seconds = parse_duration(duration.as_string());
  SERIN_CHECK(seconds.has_value());
  const std::int64_t nearest = std::llround(*seconds * 1000);
  return nearest == 0 && *seconds > 0 ? 1 : nearest;
}

std::string go_duration(const json::value& duration) {
  constexpr std::array<std::pair<const char*, std::int64_t>, 4> kUnits = {
      {{"h", 3'600'000}, {"m", 60'000}, {"s", 1'000}, {"ms", 1}}};
  std::int64_t rest = milliseconds_of(duration);
  if (rest == 0) return "0s";
  std::string text;
  for (const auto& [unit, size] : kUnits) {
    if (rest >= size) text += std::to_string(rest / size) + unit;
    rest %= size;
  }
  return text;
}

double percent_of_share(const json::value& share) {
  const auto part = parse_share(share);
  SERIN_CHECK(part.has_value());
  return std::round(*part * 1e6) / 1e4;
}

std::vector<std::string> labels_of(const Route& route) {
  std::vector<std::string> labels{route.traffic.stable};
  if (!route.traffic.candidate.empty()) labels.push_back(route.traffic.candidate);
  return labels;
}

int weight_of(const Route& route, std::string_view label) {
  return label == route.traffic.candidate ? route.traffic.weight : 100 - route.traffic.weight;
}

const Owner* owner_of(const Route& route) { return route.owner ? &*route.owner : nullptr; }

json::object holder_metadata(const Route& route) {
  json::object metadata = metadata_of(route.traffic.service, route.name_space,
                                      service_labels(route.traffic.service), owner_of(route));
  json::object annotations{{kStableAnnotation, route.traffic.stable}};
  if (!route.traffic.candidate.empty()) annotations[kCandidateAnnotation] = route.traffic.candidate;
  metadata["annotations"] = std::move(annotations);
  return metadata;
}

std::vector<json::object> services_of(const Route& route, const json::object& annotations) {
  const std::string& service = route.traffic.service;
  json::object entry = entry_service_of(
      service, route.name_space, version_selector(service, route.traffic.stable), owner_of(route));
  if (!annotations.empty()) entry["metadata"].as_object()["annotations"] = annotations;
  std::vector<json::object> services{std::move(entry)};
  for (const std::string& label : labels_of(route))
    services.push_back(backend_service_of(version_name(service, label), route.name_space,
                                          version_labels(service, label),
                                          version_selector(service, label), owner_of(route)));
  return services;
}

Result<Weights> weights_of(const Route& route, const json::value& live,
                           const std::vector<Rule>& rules,
                           std::string (*name)(std::string_view, std::string_view)) {
  if (!live.is_object())
    return fail(Code::kNotFound, route.name_space + "/" + route.traffic.service +
                                     ": the cluster has no weights of it");
  Weights found;
  found.stable = annotation_of(live, kStableAnnotation);
  found.candidate = annotation_of(live, kCandidateAnnotation);
  if (found.stable.empty())
    return changed(route, "it has no annotation " + std::string(kStableAnnotation));
  if (rules.empty()) return changed(route, "it has no rule");
  for (const Rule& rule : rules) {
    SERIN_TRY_ASSIGN(const int weight, candidate_weight(route, rule, found, name));
    if (&rule == &rules.front()) found.weight = weight;
    if (weight != found.weight)
      return changed(route, rule.path + " gives the candidate " + std::to_string(weight) +
                                " %, and " + rules.front().path + " " +
                                std::to_string(found.weight) + " %");
  }
  return found;
}

std::vector<Rule> rules_of(const json::value& live, const RulePlaces& places) {
  std::vector<Rule> rules;
  for (const json::value& one : list_at(live, "/spec/" + std::string(places.rules))) {
    Rule& rule = rules.emplace_back();
    rule.path = "spec." + std::string(places.rules) + "[" + std::to_string(rules.size() - 1) + "]";
    for (const json::value& to : list_at(one, "/" + std::string(places.backends))) {
      Backend& backend = rule.backends.emplace_back();
      backend.path = rule.path + "." + std::string(places.backends) + "[" +
                     std::to_string(rule.backends.size() - 1) + "]." + std::string(places.said);
      backend.name = text_at(to, places.name);
      const json::value* weight = value_at(to, "/weight");
      if (weight != nullptr && weight->is_int64()) backend.weight = weight->get_int64();
    }
  }
  return rules;
}

json::array backend_refs(const Route& route) {
  json::array backends;
  for (const std::string& label : labels_of(route))
    backends.emplace_back(json::object{{"group", ""},
                                       {"kind", "Service"},
                                       {"name", version_name(route.traffic.service, label)},
                                       {"port", kServicePort},
                                       {"weight", weight_of(route, label)}});
  return backends;
}

}  // namespace serin::platform::kubernetes
