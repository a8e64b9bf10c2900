// SPDX-License-Identifier: Apache-2.0
// Our gateway as objects of a cluster: one Deployment a namespace, in front of all of its services
// whose router is serin. Pure. Its Services are those of the services, its configuration is the
// Secret that the router makes (routers/routers.h).
#pragma once

#include <string>
#include <vector>

#include "base/json.h"

namespace serin::platform::kubernetes {

inline constexpr int kGatewayPort = 8080;

struct GatewayPlan {
  std::string name_space;
  std::string image;
  int replicas = 2;
  json::array image_pull_secrets;
  // Of a configuration that reaches pods by their starts alone: another one starts them anew.
  // Empty: they are told.
  std::string config_digest;
};

// ServiceAccount, Deployment, PodDisruptionBudget.
std::vector<json::object> gateway_objects_of(const GatewayPlan& plan);

}  // namespace serin::platform::kubernetes
