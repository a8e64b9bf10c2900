// SPDX-License-Identifier: Apache-2.0
// A folder whose content nobody has vouched for: everything is opened from one directory
// descriptor, a segment at a time, and no link is followed. One thread.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "base/descriptor.h"
#include "base/error.h"

namespace serin::model {

struct FoundFile {
  std::string path;  // from the folder, '/' between segments
  std::uint64_t size = 0;
};

// What the system says of a file or folder: another one after it was written, replaced or renamed.
struct Stamp {
  std::string path;  // from the folder; empty: the folder itself
  std::uint64_t device = 0, inode = 0, size = 0;
  std::int64_t changed_seconds = 0, changed_nanoseconds = 0;
  bool operator==(const Stamp&) const = default;
};

class Folder {
 public:
  static Result<Folder> open(const std::filesystem::path& root);

  // Every regular file, sorted by path. kInvalidArgument for a link, a device, a socket or a pipe,
  // for too many or too large files, for files that are nearly all holes, and for too deep folders.
  Result<std::vector<FoundFile>> files() const;
  // Of everything in it and of itself, sorted by path; refuses what files() refuses.
  Result<std::vector<Stamp>> stamps() const;
  Result<std::string> read(std::string_view path, std::uint64_t limit) const;
  // The file in pieces, in order; ends early when `piece` fails.
  Status stream(std::string_view path, const std::function<Status(std::string_view)>& piece) const;
  Result<std::string> sha256(std::string_view path) const;

 private:
  Folder(std::filesystem::path root, Descriptor descriptor)
      : root_(std::move(root)), descriptor_(std::move(descriptor)) {}
  Result<Descriptor> open_file(std::string_view path) const;

  std::filesystem::path root_;
  Descriptor descriptor_;
};

// A place beside `target` in which it is made, to be renamed to it; removed with all it holds
// unless kept.
class Partial {
 public:
  explicit Partial(const std::filesystem::path& target);
  ~Partial();
  Partial(const Partial&) = delete;
  Partial& operator=(const Partial&) = delete;
  const std::filesystem::path& path() const { return path_; }
  // Renames it to the target.
  Status keep();

 private:
  std::filesystem::path target_, path_;
};

}  // namespace serin::model
