// SPDX-License-Identifier: Apache-2.0
// A service with one version as objects that need no operator: for looking at, and for clusters
// where nobody may install one. Nothing rolls out by itself then. Pure.
#pragma once

#include <vector>

#include "platform/kubernetes/objects/version.h"
#include "platform/kubernetes/routers/router.h"

namespace serin::platform::kubernetes {

// All that there is to apply, in order. `spec` is the manifest's, valid and with its defaults, for
// a router that can do what it asks for (check_route). kInvalidArgument, naming the field, for what
// needs an operator.
Result<std::vector<json::object>> standalone_objects(const VersionPlan& plan,
                                                     const json::object& spec);

}  // namespace serin::platform::kubernetes
