// SPDX-License-Identifier: Apache-2.0
// What a cluster needs for GenerativeServices to work: their definition, and the operator with no
// more rights than it uses. Pure. docs/kubernetes.md goes through it.
#pragma once

#include <string>
#include <vector>

#include "base/json.h"

namespace serin::cluster {

inline constexpr int kOperatorPort = 8081;  // health and metrics

struct InstallPlan {
  std::string name_space = "serin-system";
  std::string image;  // of the operator; also what workers and gateways run
  int replicas = 1;   // one of them leads
};

// In the order in which they are applied: the definition first, for the operator watches what it
// defines.
std::vector<json::object> install_objects(const InstallPlan& plan);

// A right of the operator: verbs on resources of an API group.
struct Right {
  std::string_view group;             // empty: the core
  std::string_view resources, verbs;  // with spaces between
};
// All that it has in every namespace.
std::vector<Right> cluster_rights();

}  // namespace serin::cluster
