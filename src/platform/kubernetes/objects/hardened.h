// SPDX-License-Identifier: Apache-2.0
// What every pod of ours has in common: it needs no right of the cluster and none of its node, is
// not root and writes to scratch space of its own alone. The Pod Security Standard "restricted".
// Pure.
#pragma once

#include <chrono>
#include <string_view>

#include "base/json.h"

namespace serin::platform::kubernetes {

inline constexpr std::string_view kPortName = "http";

// serviceAccountName to securityContext of a pod whose requests under way have `drain`.
json::object hardened_pod(std::string_view account, std::chrono::seconds drain);
// lifecycle and securityContext of its container.
void harden(json::object& container);

// Of a container that listens on kPortName.
json::object probe_of(std::string_view path, int period_seconds, int failures);
json::array ports_of(int port);
json::object mount_of(std::string_view name, std::string_view path, bool read_only);
json::object scratch_volume(std::string_view name);  // an emptyDir

}  // namespace serin::platform::kubernetes
