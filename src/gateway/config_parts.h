// SPDX-License-Identifier: Apache-2.0
// The parts of a service's configuration that manifests have in the same form: `resilience` and
// `access`. Pure.
#pragma once

#include "base/json.h"
#include "gateway/config.h"
#include "gateway/config_fields.h"

namespace serin::gateway {

void read_resilience_fields(Object& object, Resilience& into);
json::object write_resilience(const Resilience& from);

void read_access_fields(Object& object, AccessRules& into);
json::object write_access(const AccessRules& from);

}  // namespace serin::gateway
