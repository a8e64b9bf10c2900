// SPDX-License-Identifier: Apache-2.0
// Moments as Kubernetes writes them (RFC 3339). Pure.
#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <string_view>

namespace serin::platform::kubernetes {

// "2026-11-29T08:53:37Z", "…37.25+01:00"; empty for what is no moment, and before 1970. A second's
// fraction is read to the microsecond. What the system's clock cannot count, from 2262 on, is a
// moment of 2260: nobody's certificate or token outlives that.
std::optional<std::chrono::system_clock::time_point> parse_time(std::string_view text);

// A MicroTime: "2026-11-29T08:53:37.000000Z". Fewer digits are not taken.
std::string micro_time(std::chrono::system_clock::time_point time);

}  // namespace serin::platform::kubernetes
