// SPDX-License-Identifier: Apache-2.0
// What a file looks like from outside, so that whoever reads it again when it changes need not read
// it to know.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>

namespace serin {

// Another file, and the same one after it was written to, has another.
struct FileStamp {
  std::uint64_t inode = 0, size = 0;
  std::int64_t changed = 0;  // nanoseconds since 1970
  bool operator==(const FileStamp&) const = default;
};

// Whether the path still names the file that is open: another process may have renamed it.
bool is_at(const std::filesystem::path& path, int open_file);

std::optional<FileStamp> stamp_of(const std::filesystem::path& path);  // empty: it is not there

}  // namespace serin
