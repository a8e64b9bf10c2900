// SPDX-License-Identifier: Apache-2.0
// The pod of a worker. Pure.
#pragma once

#include <string_view>

#include "base/json.h"
#include "platform/kubernetes/objects/version.h"

namespace serin::platform::kubernetes {

inline constexpr std::string_view kWorkerContainer = "worker";

// The template of a Deployment: metadata and spec.
json::object pod_template_of(const VersionPlan& plan);

}  // namespace serin::platform::kubernetes
