// SPDX-License-Identifier: Apache-2.0
// UTF-8 (RFC 3629). Pure functions.
#pragma once

#include <string_view>

namespace serin {

bool is_utf8(std::string_view text);

// As much of its beginning as fits into so many bytes, without a piece of a character at its end.
std::string_view utf8_head(std::string_view text, std::size_t bytes);

}  // namespace serin
