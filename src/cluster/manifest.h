// SPDX-License-Identifier: Apache-2.0
// What only a cluster says of a manifest. Pure.
#pragma once

#include "base/error.h"
#include "control/schema/manifest.h"
#include "platform/kubernetes/objects/fields.h"

namespace serin::cluster {

platform::kubernetes::Fields fields_of(const control::Manifest& manifest);
// Whether the cluster would take it, pods can have its package, and its router can do all that it
// asks for. Errors as of check_for_cluster() of the objects, and check_route().
Status check_for_cluster(const control::Manifest& manifest);

}  // namespace serin::cluster
