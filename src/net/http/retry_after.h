// SPDX-License-Identifier: Apache-2.0
// The field Retry-After (RFC 9110, section 10.2.3), as servers of others say it. Pure.
#pragma once

#include <chrono>
#include <optional>
#include <string_view>

namespace serin::net {

// A day at most; nullopt for what is no number of seconds (a date is not read).
std::optional<std::chrono::seconds> parse_retry_after(std::string_view field);

}  // namespace serin::net
