// SPDX-License-Identifier: Apache-2.0
// What of a manifest's spec.kubernetes must go together, which the schema cannot say. Pure.
#pragma once

#include <vector>

#include "control/schema/schema.h"

namespace serin::control {

// `fields`, which the schema has checked, stands at spec.kubernetes.
void check_kubernetes(const YamlNode& fields, std::vector<Finding>& findings);

}  // namespace serin::control
