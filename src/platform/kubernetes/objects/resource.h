// SPDX-License-Identifier: Apache-2.0
// The resource GenerativeService as a cluster stores it. Pure.
#pragma once

#include "base/error.h"
#include "base/json.h"

namespace serin::platform::kubernetes {

// What of it is the manifest, as people write it: without status, and without what the cluster and
// its tools write into metadata. Its defaults may be filled in. kInvalidArgument for what is no
// object with a name and a spec.
Result<json::object> manifest_of(const json::value& resource);

}  // namespace serin::platform::kubernetes
