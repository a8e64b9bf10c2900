// SPDX-License-Identifier: Apache-2.0
#include "worker/keys.h"

#include <utility>

#include "base/bearer.h"
#include "base/digest.h"
#include "base/entries.h"
#include "base/files.h"

namespace serin::worker {
namespace {

constexpr std::uint64_t kFileLimit = 1 << 20;

}  // namespace

Result<std::vector<std::string>> parse_key_hashes(std::string_view text, std::string_view where) {
  std::vector<std::string> hashes;
  for (Entry& entry : entries_of(text)) {
    if (!is_key_hash(entry.text)) {
      return invalid(std::string(where) + ":" + std::to_string(entry.line) +
                     ": must be a SHA-256 in 64 lower-case hex digits; `serin key hash` makes one");
    }
    hashes.push_back(std::move(entry.text));
  }
  if (hashes.empty())
    return invalid(std::string(where) + " holds no key; without keys leave --key-file out");
  return hashes;
}

Result<std::vector<std::string>> read_key_hashes(const std::filesystem::path& path) {
  SERIN_TRY_ASSIGN(const std::string text, read_file(path, kFileLimit));
  return parse_key_hashes(text, path.string());
}

bool known_key(std::string_view key, const std::vector<std::string>& hashes) {
  const std::string hash = sha256_hex(key);
  bool known = false;
  for (const std::string& candidate : hashes) known |= same_key_hash(candidate, hash);
  return known;
}

}  // namespace serin::worker
