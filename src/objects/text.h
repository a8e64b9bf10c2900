// SPDX-License-Identifier: Apache-2.0
// Small pure functions on the text that stores speak: escapes, times, numbers.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace serin::objects {

// For messages: at most 80 bytes, what is not printable ASCII as '?'.
std::string printable(std::string_view text);

// "Tue, 24 Nov 2026 13:46:40 GMT" (RFC 9110) and "2026-11-24T13:46:40.000Z" (ISO 8601).
// What is read lies between 1970 and 2200, else it is none.
std::string http_date(std::chrono::system_clock::time_point time);
std::optional<std::chrono::system_clock::time_point> parse_http_date(std::string_view text);
std::optional<std::chrono::system_clock::time_point> parse_iso_time(std::string_view text);

// Decimal digits alone.
std::optional<std::uint64_t> parse_number(std::string_view text);

std::string lower_case(std::string_view text);
std::string_view trimmed(std::string_view text);  // without blanks and line ends at both sides

// 128 random bits in hex, from the system.
std::string random_id();

}  // namespace serin::objects
