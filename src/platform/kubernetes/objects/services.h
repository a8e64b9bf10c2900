// SPDX-License-Identifier: Apache-2.0
// The Services (v1) that requests go through. Pure.
#pragma once

#include <optional>
#include <string>

#include "base/json.h"
#include "platform/kubernetes/objects/names.h"

namespace serin::platform::kubernetes {

inline constexpr int kServicePort = 80;
inline constexpr std::string_view kGatewayName = "serin-gateway";
inline constexpr std::string_view kGatewayFile = "gateway.json";  // of its Secret

// The one that clients know, called as the service. `selector` says whose pods answer.
json::object entry_service_of(std::string_view service, std::string_view name_space,
                              json::object selector, const Owner* owner);
// Of our gateway's pods in the same namespace; `own`: of the one that this service has by itself.
json::object gateway_selector(std::string_view own = {});

// A backend of routes: pods that `selector` names, under `name`.
json::object backend_service_of(std::string_view name, std::string_view name_space,
                                json::object labels, json::object selector, const Owner* owner);

}  // namespace serin::platform::kubernetes
