// SPDX-License-Identifier: Apache-2.0
// The file that feedback is kept in: JSON lines, appended; at `bytes` it becomes FILE.1, which was
// FILE.2 before, and the oldest of kOlder is removed, with a line in the program's log. Several
// gateways may write to one file, as they do while one replaces another: each line takes the
// file's lock. Blocks on the disk; from any thread.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string_view>

#include "base/error.h"

namespace serin::gateway {

class FeedbackLog {
 public:
  static constexpr int kOlder = 4;

  // An empty path: nothing is kept.
  FeedbackLog(std::filesystem::path path, std::uint64_t bytes)
      : path_(std::move(path)), bytes_(bytes) {}

  bool on() const { return !path_.empty(); }
  // The line is in the file when it returns; an error when it is not, or not whole.
  Status write(std::string_view line) const;

 private:
  void rotate() const;

  const std::filesystem::path path_;
  const std::uint64_t bytes_;
};

}  // namespace serin::gateway
