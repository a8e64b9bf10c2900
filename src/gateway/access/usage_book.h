// SPDX-License-Identifier: Apache-2.0
// What keys have used of their quotas today, also by processes that are gone: each request that
// ended adds a line to a file (line_file.h) before its client sees the end of the answer.
//
//   {"day":20786,"keys":"/etc/serin/keys.yaml","key":"team-a","requests":1,"tokens":128}
//
// Lines add up, so a gateway and its successor may write one file. When it has grown past its limit
// it is written anew with this process's sums, a line a key, without what another one has added
// since this one began. Any thread.
#pragma once

#include <compare>
#include <cstdint>
#include <filesystem>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>

#include "gateway/line_file.h"

namespace serin::gateway {

struct KeyUsage {
  double requests = 0;
  double tokens = 0;
};

class UsageBook {
 public:
  static constexpr std::uint64_t kBytes = std::uint64_t{4} << 20;  // some 30,000 requests
  struct Who {
    std::string keys;  // the file that the key stands in
    std::string key;   // its name there
    auto operator<=>(const Who&) const = default;
  };

  // Days are counted from 1970, UTC. Without a file (`path` empty), and with one that cannot be
  // read or written, which the log says, nothing is known but what this process adds.
  UsageBook(std::filesystem::path path, std::int64_t today, std::uint64_t most_bytes = kBytes);

  KeyUsage used(const Who& who, std::int64_t day) const;
  void add(const Who& who, std::int64_t day, KeyUsage more);

 private:
  void count(const Who& who, std::int64_t day, KeyUsage more);
  bool read_line(std::string_view text);
  Status read();
  Status write_sums();
  void without_file(const Error& why);

  mutable std::mutex mutex_;
  std::int64_t day_;  // that of the last request
  std::map<Who, KeyUsage> today_;
  std::optional<LineFile> file_;
  const std::uint64_t least_bytes_;
  std::uint64_t most_bytes_;  // then it is written anew
};

}  // namespace serin::gateway
