// SPDX-License-Identifier: Apache-2.0
#include "cli/signing.h"

#include <cstdlib>

namespace serin::cli {

Result<model::SigningKey> signing_key(const std::filesystem::path& key,
                                      const std::vector<std::filesystem::path>& certificates) {
  const char* password = std::getenv("COSIGN_PASSWORD");
  return model::SigningKey::load(key, password == nullptr ? "" : password, certificates);
}

}  // namespace serin::cli
