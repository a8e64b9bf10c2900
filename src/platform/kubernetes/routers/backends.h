// SPDX-License-Identifier: Apache-2.0
// What the cluster's own layers have in common: Services of versions as backends of one object with
// weights. Pure.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "platform/kubernetes/routers/router.h"

namespace serin::platform::kubernetes {

// The manifest's duration in whole milliseconds; what is less than one is one, for 0 often means
// that there is no bound.
std::int64_t milliseconds_of(const json::value& duration);
// The same as Go reads it: "60s", "1m30s", "250ms".
std::string go_duration(const json::value& duration);
// A share or a percentage of the manifest as a number of percent.
double percent_of_share(const json::value& share);

// The versions that the route names: the stable one, then the candidate.
std::vector<std::string> labels_of(const Route& route);
// Percent of the requests that a version of the route gets.
int weight_of(const Route& route, std::string_view label);

const Owner* owner_of(const Route& route);
// Metadata of an object with weights, which says in annotations whose they are.
json::object holder_metadata(const Route& route);

// The entry, which selects the stable version and has the annotations, and a Service for each
// version.
std::vector<json::object> services_of(const Route& route, const json::object& annotations);

// One place of an object with weights.
struct Backend {
  std::string path;  // "spec.http[0].route[1]"
  std::string name;  // of a Service or a pool
  std::optional<std::int64_t> weight;
};
struct Rule {
  std::string path;
  std::vector<Backend> backends;
};
// What `live` says by its annotations and by `rules`, each of which must divide alike and among
// the versions' backends alone, whose names `name` gives. As TrafficRouter::weights().
Result<Weights> weights_of(const Route& route, const json::value& live,
                           const std::vector<Rule>& rules,
                           std::string (*name)(std::string_view service, std::string_view label));

// Where an object has its rules, a rule its backends, and a backend its name.
struct RulePlaces {
  std::string_view rules, backends;
  std::string_view name;  // a JSON pointer
  std::string_view said;  // the same, for messages
};
inline constexpr RulePlaces kHttpRoute = {"rules", "backendRefs", "/name", "name"};
// Empty for an object that has none.
std::vector<Rule> rules_of(const json::value& live, const RulePlaces& places);
// One rule's backendRefs to Services, written with all that a server would fill in.
json::array backend_refs(const Route& route);

}  // namespace serin::platform::kubernetes
