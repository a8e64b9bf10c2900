// SPDX-License-Identifier: Apache-2.0
// The bearer keys that a worker accepts. It knows them only by their hashes: SHA-256 in hex. Pure
// but for reading the file, safe from any thread.
#pragma once

#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"

namespace serin::worker {

// One hash a line; '#' begins a comment. kInvalidArgument, naming `where` and the line; at least
// one hash must be there.
Result<std::vector<std::string>> parse_key_hashes(std::string_view text, std::string_view where);
Result<std::vector<std::string>> read_key_hashes(const std::filesystem::path& path);

// Compares hashes in constant time, all of them, so that time tells nothing of which came close.
bool known_key(std::string_view key, const std::vector<std::string>& hashes);

}  // namespace serin::worker
