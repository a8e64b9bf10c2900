// SPDX-License-Identifier: Apache-2.0
#include "base/file_stamp.h"

#include <sys/stat.h>

namespace serin {

std::optional<FileStamp> stamp_of(const std::filesystem::path& path) {
  struct stat found{};
  if (::stat(path.c_str(), &found) != 0) return std::nullopt;
  return FileStamp{found.st_ino, static_cast<std::uint64_t>(found.st_size),
                   found.st_mtim.tv_sec * std::int64_t{1'000'000'000} + found.st_mtim.tv_nsec};
}

bool is_at(const std::filesystem::path& path, int open_file) {
  struct stat ours{}, there{};
  return ::fstat(open_file, &ours) == 0 && ::stat(path.c_str(), &there) == 0 &&
         ours.st_ino == there.st_ino && ours.st_dev == there.st_dev;
}

}  // namespace serin
