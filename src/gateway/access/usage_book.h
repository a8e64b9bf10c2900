// SPDX-License-Identifier: Apache-2.0
// What keys have used of their quotas today, also by processes that are gone: each request that
// ended adds a line to a file (line_file.h) before its client sees the end of the answer.
//
//   {"day":20786,"keys":"/etc/serin/keys.yaml","key":"team-a","requests":1,"tokens":128}
//
// Lines add up, so a gateway and its successor write one file, and each reads what the other one
// adds. When it has grown past its limit one of them writes it anew as sums, a line a key, 0600 as
// it was. Both do all this under a lock (beside the file, ".lock") that they never wait for: what
// cannot be written at this moment goes with the next request, or the next look. Any thread.
#pragma once

#include <compare>
#include <cstdint>
#include <filesystem>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>

#include "base/descriptor.h"
#include "gateway/line_file.h"

namespace serin::gateway {

struct KeyUsage {
  double requests = 0;
  double tokens = 0;
  KeyUsage& operator+=(const KeyUsage& more) {
    requests += more.requests;
    tokens += more.tokens;
    return *this;
  }
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

  ~UsageBook();
  UsageBook(const UsageBook&) = delete;
  UsageBook& operator=(const UsageBook&) = delete;

  // By all processes; used_elsewhere() does not tell it again.
  KeyUsage used(const Who& who, std::int64_t day);
  // Nothing for a day that is over: a request may end just after another one of the day that began.
  void add(const Who& who, std::int64_t day, KeyUsage more);
  using Sums = std::map<Who, KeyUsage>;
  // What others have added on that day since this was last asked, or the book opened.
  Sums used_elsewhere(std::int64_t day);

 private:
  bool begin(std::int64_t day);
  Status open(std::filesystem::path path);
  void meet_others();
  Status read_and_write();
  Sums news();
  Sums sums_in(std::string_view bytes) const;
  Status write_sums();
  void without_file(const Error& why);

  std::mutex mutex_;
  std::int64_t day_;  // the latest of a request
  Sums today_;        // of all processes
  Sums unwritten_;    // of this one, what is not in the file yet
  Sums elsewhere_;    // of others, what was not asked for yet
  std::optional<LineFile> file_;
  bool known_ = false;  // what was in the file when it was opened
  Descriptor lock_;
  const std::uint64_t least_bytes_;
  std::uint64_t most_bytes_;  // then it is written anew
};

}  // namespace serin::gateway
