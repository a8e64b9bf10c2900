// SPDX-License-Identifier: Apache-2.0
// Durations and shares as people write them in a manifest.
#pragma once

#include <string_view>

#include "base/error.h"
#include "base/json.h"

namespace serin {

// "250ms", "60s", "10m", "1h", "7d" or a sum of such ("1h30m") in seconds; kInvalidArgument for
// anything else.
Result<double> parse_duration(std::string_view text);
// 0.002 or "0.2%" as a part of one; kInvalidArgument beyond 0 to 1.
Result<double> parse_share(const json::value& value);

}  // namespace serin
