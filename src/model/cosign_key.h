// SPDX-License-Identifier: Apache-2.0
// Private keys as `cosign generate-key-pair` writes them: PKCS #8 in a NaCl secret box, whose key
// scrypt makes of a password. Pure.
#pragma once

#include <string>
#include <string_view>

#include "base/error.h"

namespace serin::model {

bool is_cosign_key(std::string_view pem);

// The key in PEM, without a password. kInvalidArgument: what is wrong in it, or that the password
// is another.
Result<std::string> open_cosign_key(std::string_view pem, std::string_view password);

}  // namespace serin::model
