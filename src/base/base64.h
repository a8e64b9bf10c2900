// SPDX-License-Identifier: Apache-2.0
// Base64 (RFC 4648): section 4, the standard alphabet, padded; section 5, for URLs, not padded.
#pragma once

#include <string>
#include <string_view>

#include "base/error.h"

namespace serin {

std::string to_base64(std::string_view bytes);

// Strict: no white space, padding required, unused bits zero. kInvalidArgument with the place of
// the first wrong character.
Result<std::string> from_base64(std::string_view text);

std::string to_base64url(std::string_view bytes);
// As strict: a character of the other alphabet or padding is refused.
Result<std::string> from_base64url(std::string_view text);

}  // namespace serin
