// SPDX-License-Identifier: Apache-2.0
// Files, whole and safely: reads are bounded, writes are atomic (a reader sees the old or the new).
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>

#include "base/error.h"

namespace serin {

// What a system call said, as an Error: "what: No such file or directory" with the code that fits.
Error error_of_errno(int number, std::string_view what);

// kNotFound, kPermissionDenied, or kOutOfRange when the file is larger than `limit` bytes.
Result<std::string> read_file(const std::filesystem::path& path,
                              std::uint64_t limit = std::uint64_t{1} << 30);

// Writes beside the target, syncs, renames over it.
Status write_file(const std::filesystem::path& path, std::string_view bytes);

// A fresh directory (mode 0700) under TMPDIR that is removed with all it holds.
class TemporaryDirectory {
 public:
  static Result<TemporaryDirectory> create(std::string_view prefix = "serin");
  ~TemporaryDirectory();
  TemporaryDirectory(TemporaryDirectory&& other) noexcept;
  TemporaryDirectory& operator=(TemporaryDirectory&& other) noexcept;
  const std::filesystem::path& path() const { return path_; }

 private:
  explicit TemporaryDirectory(std::filesystem::path path) : path_(std::move(path)) {}
  std::filesystem::path path_;
};

// Where things that can be made again are kept: $SERIN_CACHE, else $XDG_CACHE_HOME/serin, else
// ~/.cache/serin.
std::filesystem::path cache_directory();
// Where what must not be lost is kept: $XDG_STATE_HOME/serin, else ~/.local/state/serin.
std::filesystem::path state_directory();

}  // namespace serin
