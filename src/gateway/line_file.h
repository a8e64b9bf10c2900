// SPDX-License-Identifier: Apache-2.0
// A file of lines for who comes after a process that was killed: each is appended by one system
// call, and is in the page cache, which a killed process does not take away, when that returns.
// Nothing waits for the disk.
//
//   1 9f2c41d07ab3e865 {"number":1764363600000001,"version":"v1",…}
//
// The form's version, a hash of the rest, the rest. A torn line, or one of another version, is
// passed over by who reads; so processes of two releases may write one file, as gateways do while
// the one takes over from the other.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "base/descriptor.h"
#include "base/error.h"

namespace serin::gateway {

// As it stands in the file, with its end. `text` has none.
std::string framed_line(std::string_view text);
// nullopt: torn, or of another version. `line` is without its end.
std::optional<std::string_view> unframed_line(std::string_view line);
// Gives the text of every line. How many were passed over, also because `take` said false.
std::size_t take_lines(std::string_view bytes, const std::function<bool(std::string_view)>& take);

// One writer's. One thread at a time.
class LineFile {
 public:
  // Made when it is missing.
  static Result<LineFile> open(std::filesystem::path path);

  Status append(std::string_view text);
  // The file that is at the path by now.
  Status reopen();
  bool is_at_path() const;  // false: another one is, or none
  std::string tail(std::uint64_t bytes) const;
  // What others have appended since this one last looked or wrote; while nobody else writes.
  std::string take_appended();

  const std::filesystem::path& path() const { return path_; }
  std::uint64_t bytes() const { return bytes_; }  // without what others have written since

 private:
  explicit LineFile(std::filesystem::path path) : path_(std::move(path)) {}
  Status measure();
  void end_torn_line();

  std::filesystem::path path_;
  std::uint64_t bytes_ = 0;
  Descriptor file_;
};

}  // namespace serin::gateway
