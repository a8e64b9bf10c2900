// SPDX-License-Identifier: Apache-2.0
// Our gateway as objects of a cluster: one Deployment a namespace, in front of all of its services
// whose router is serin, or one for a service by itself. Pure. Its Services are those of the
// services, its configuration is the Secret that the router makes (routers/routers.h), which is
// called as it is.
#pragma once

#include <chrono>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"

namespace serin::platform::kubernetes {

inline constexpr int kGatewayPort = 8080;
inline constexpr int kAdminPort = 8081;
// The Secret with what its admin API needs, and the files of it.
inline constexpr std::string_view kGatewayAdminName = "serin-gateway-admin";
inline constexpr std::string_view kAdminCertificate = "tls.crt";
inline constexpr std::string_view kAdminKey = "tls.key";
inline constexpr std::string_view kAdminToken = "token";

struct GatewayPlan {
  std::string name_space;
  std::string own;  // the service that has it by itself; empty: it is the namespace's
  std::string image;
  int replicas = 2;
  // That requests under way have: the longest spec.resilience.timeout.
  std::chrono::seconds drain{60};
  json::array image_pull_secrets;
  // Of a configuration that reaches pods by their starts alone: another one starts them anew.
  // Empty: they are told.
  std::string config_digest;
  // Of the Secret that its admin API needs: another one starts pods anew. Empty: it has none.
  std::string admin_digest;
  std::string operator_namespace = "serin-system";  // as of a VersionPlan
};

std::string name_of(const GatewayPlan& plan);

// ServiceAccount, Deployment, PodDisruptionBudget; with an admin API a NetworkPolicy.
std::vector<json::object> gateway_objects_of(const GatewayPlan& plan);

}  // namespace serin::platform::kubernetes
