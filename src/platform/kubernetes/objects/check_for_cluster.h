// SPDX-License-Identifier: Apache-2.0
// What only a cluster demands of a manifest, as the definition of the resource has it in CEL
// (crd_rules.h): told to who writes it, before anything is applied. Pure.
#pragma once

#include "base/error.h"
#include "base/json.h"
#include "platform/kubernetes/objects/fields.h"

namespace serin::platform::kubernetes {

// `document` is a manifest, valid and with its defaults, and `fields` its spec.kubernetes.
// kInvalidArgument names the field and says what to write.
Status check_for_cluster(const json::value& document, const Fields& fields);

}  // namespace serin::platform::kubernetes
