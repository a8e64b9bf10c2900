// SPDX-License-Identifier: Apache-2.0
// What the gateway says of requests that ended, read from its lines of JSON
// (gateway/evidence.h writes them). Pure.
#pragma once

#include <string_view>
#include <vector>

#include "platform/platform.h"

namespace serin::platform::local {

// kInvalidArgument, with the number of the line, for what is not such a line.
Result<std::vector<Evidence>> read_evidence(std::string_view lines);

}  // namespace serin::platform::local
