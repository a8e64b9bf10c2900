// SPDX-License-Identifier: Apache-2.0
// Days as files of keys name them. Pure.
#pragma once

#include <chrono>
#include <optional>
#include <string_view>

namespace serin {

// "2027-01-31" as the moment that it begins, UTC; empty for what is no day, and for days that the
// system's clock cannot count.
std::optional<std::chrono::system_clock::time_point> parse_day(std::string_view text);

}  // namespace serin
