// SPDX-License-Identifier: Apache-2.0
// Bearer keys, which servers know only by their hashes: SHA-256 in hex. Pure, safe from any thread.
#pragma once

#include <string_view>

namespace serin {

// The key of an Authorization field, "Bearer KEY"; the scheme in any case (RFC 9110, section 11.1).
// Empty when it is of another scheme.
std::string_view bearer_key(std::string_view authorization);

// 64 lower-case hex digits.
bool is_key_hash(std::string_view text);
// In constant time for texts of one length, so that time tells nothing of how close they came.
bool same_key_hash(std::string_view one, std::string_view other);

}  // namespace serin
