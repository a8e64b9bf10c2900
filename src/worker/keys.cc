// SPDX-License-Identifier: Apache-2.0
#include "worker/keys.h"

#include <algorithm>
#include <cctype>

#include "base/bearer.h"
#include "base/digest.h"
#include "base/files.h"

namespace serin::worker {
namespace {

constexpr std::uint64_t kFileLimit = 1 << 20;

}  // namespace

Result<std::vector<std::string>> parse_key_hashes(std::string_view text, std::string_view where) {
  std::vector<std::string> hashes;
  for (std::size_t number = 1; !text.empty(); ++number) {
    const std::size_t end = std::min(text.find('\n'), text.size());
    std::string line(text.substr(0, std::min(text.find('#'), end)));
    text.remove_prefix(std::min(end + 1, text.size()));
    std::erase_if(line, [](unsigned char c) { return std::isspace(c); });
    if (line.empty()) continue;
    if (!is_key_hash(line)) {
      return invalid(std::string(where) + ":" + std::to_string(number) +
                     ": must be a SHA-256 in 64 lower-case hex digits; `serin key hash` makes one");
    }
    hashes.push_back(std::move(line));
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
