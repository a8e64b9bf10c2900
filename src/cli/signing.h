// SPDX-License-Identifier: Apache-2.0
// The private keys that a line names.
#pragma once

#include <filesystem>
#include <vector>

#include "model/dsse.h"

namespace serin::cli {

// As SigningKey::load(), with the password that COSIGN_PASSWORD holds, as cosign has it.
Result<model::SigningKey> signing_key(const std::filesystem::path& key,
                                      const std::vector<std::filesystem::path>& certificates = {});

}  // namespace serin::cli
