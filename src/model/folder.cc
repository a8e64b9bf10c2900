// SPDX-License-Identifier: Apache-2.0
#include "model/folder.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <memory>

#include "base/digest.h"
#include "objects/text.h"

namespace serin::model {
namespace {

constexpr std::size_t kMostFiles = 25'000;
constexpr int kDeepest = 32;
constexpr std::uint64_t kMostBytes = std::uint64_t{1} << 40;  // of all files
// A file may have at most so many bytes for each one on the disk, past `kHolesFrom`: reading holes
// would take for ever. As for archives (archive.h).
constexpr std::uint64_t kHoleRatio = 1000;
constexpr std::uint64_t kHolesFrom = std::uint64_t{64} << 20;

Error system_error(std::string_view path) {
  const int error = errno;
  const Code code = error == ENOENT || error == ENOTDIR ? Code::kNotFound
                    : error == EACCES                   ? Code::kPermissionDenied
                    : error == ELOOP                    ? Code::kInvalidArgument
                                                        : Code::kUnknown;
  const std::string what =
      error == ELOOP ? "is a symbolic link, which a package may not hold" : std::strerror(error);
  return {code, std::string(path) + ": " + what};
}

std::string_view kind_of(mode_t mode) {
  if (S_ISLNK(mode)) return "a symbolic link";
  if (S_ISFIFO(mode)) return "a pipe";
  if (S_ISSOCK(mode)) return "a socket";
  return "a device";
}

struct CloseDirectory {
  void operator()(DIR* directory) const { closedir(directory); }
};

Stamp stamp_of(std::string path, const struct stat& status) {
  return {std::move(path),
          status.st_dev,
          status.st_ino,
          S_ISREG(status.st_mode) ? static_cast<std::uint64_t>(status.st_size) : 0,
          status.st_ctim.tv_sec,
          status.st_ctim.tv_nsec};
}

// Walks a folder and everything in it, each with what the system says of it.
class Walk {
 public:
  using Visit = std::function<Status(const std::string& path, const struct stat& status)>;
  explicit Walk(Visit visit) : visit_(std::move(visit)) {}

  Status folder(const Descriptor& descriptor, const std::string& prefix, int depth) {
    if (depth > kDeepest)
      return invalid(prefix + ": folders are nested deeper than " + std::to_string(kDeepest));
    const int again = dup(descriptor.get());
    const std::unique_ptr<DIR, CloseDirectory> directory(again < 0 ? nullptr : fdopendir(again));
    if (!directory) return fail(system_error(prefix));
    rewinddir(directory.get());
    while (const dirent* entry = readdir(directory.get())) {
      const std::string_view name = entry->d_name;
      if (name == "." || name == "..") continue;
      const std::string path =
          prefix.empty() ? std::string(name) : prefix + '/' + std::string(name);
      struct stat status{};
      if (fstatat(descriptor.get(), entry->d_name, &status, AT_SYMLINK_NOFOLLOW) != 0)
        return fail(system_error(path));
      SERIN_TRY(this->entry(path, status));
      if (!S_ISDIR(status.st_mode)) continue;
      const Descriptor inner(
          openat(descriptor.get(), entry->d_name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
      if (!inner.open()) return fail(system_error(path));
      SERIN_TRY(folder(inner, path, depth + 1));
    }
    return {};
  }

 private:
  Status entry(const std::string& path, const struct stat& status) {
    if (!S_ISDIR(status.st_mode)) SERIN_TRY(file(path, status));
    return visit_(path, status);
  }

  Status file(const std::string& path, const struct stat& status) {
    if (!S_ISREG(status.st_mode)) {
      return invalid(path + ": is " + std::string(kind_of(status.st_mode)) +
                     ", which a package may not hold");
    }
    if (++files_ > kMostFiles)
      return invalid("more than " + std::to_string(kMostFiles) + " files; not a package");
    const auto size = static_cast<std::uint64_t>(status.st_size);
    const auto on_disk = std::uint64_t{512} * static_cast<std::uint64_t>(status.st_blocks);
    if (size > kHolesFrom && size / kHoleRatio > on_disk) {
      return invalid(path + ": has " + std::to_string(size) + " bytes, of which only " +
                     std::to_string(on_disk) + " lie on the disk; a file of holes is no model");
    }
    bytes_ += size;
    if (size > kMostBytes || bytes_ > kMostBytes) {
      return fail(Code::kResourceExhausted,
                  path + ": more than " + std::to_string(kMostBytes) + " bytes in all");
    }
    return {};
  }

  Visit visit_;
  std::size_t files_ = 0;
  std::uint64_t bytes_ = 0;
};

}  // namespace

Result<Folder> Folder::open(const std::filesystem::path& root) {
  Descriptor descriptor(::open(root.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!descriptor.open()) return fail(system_error(root.string()));
  return Folder(root, std::move(descriptor));
}

Result<std::vector<FoundFile>> Folder::files() const {
  std::vector<FoundFile> found;
  Walk walk([&](const std::string& path, const struct stat& status) -> Status {
    if (S_ISREG(status.st_mode))
      found.push_back({path, static_cast<std::uint64_t>(status.st_size)});
    return {};
  });
  SERIN_TRY(walk.folder(descriptor_, "", 0));
  std::ranges::sort(found, {}, &FoundFile::path);
  return found;
}

Result<std::vector<Stamp>> Folder::stamps() const {
  struct stat status{};
  if (fstat(descriptor_.get(), &status) != 0) return fail(system_error(root_.string()));
  std::vector<Stamp> found{stamp_of("", status)};
  Walk walk([&](const std::string& path, const struct stat& one) -> Status {
    found.push_back(stamp_of(path, one));
    return {};
  });
  SERIN_TRY(walk.folder(descriptor_, "", 0));
  std::ranges::sort(found, {}, &Stamp::path);
  return found;
}

Result<Descriptor> Folder::open_file(std::string_view path) const {
  Descriptor folder(dup(descriptor_.get()));
  for (std::size_t begin = 0;;) {
    const std::size_t slash = path.find('/', begin);
    const bool last = slash == std::string_view::npos;
    const std::string segment(path.substr(begin, last ? slash : slash - begin));
    // O_NONBLOCK: a pipe put in the place of a file must not hold us up.
    const int flags = O_RDONLY | O_NOFOLLOW | O_CLOEXEC | (last ? O_NONBLOCK : O_DIRECTORY);
    Descriptor next(openat(folder.get(), segment.c_str(), flags));
    if (!next.open()) return fail(system_error(path));
    if (last) {
      struct stat status{};
      if (fstat(next.get(), &status) != 0) return fail(system_error(path));
      if (!S_ISREG(status.st_mode)) return invalid(std::string(path) + ": is not a regular file");
      return next;
    }
    folder = std::move(next);
    begin = slash + 1;
  }
}

Status Folder::stream(std::string_view path,
                      const std::function<Status(std::string_view)>& piece) const {
  SERIN_TRY_ASSIGN(const Descriptor file, open_file(path));
  posix_fadvise(file.get(), 0, 0, POSIX_FADV_SEQUENTIAL);
  std::string buffer(std::size_t{1} << 20, '\0');
  while (true) {
    const ssize_t count = ::read(file.get(), buffer.data(), buffer.size());
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return fail(system_error(path));
    if (count == 0) return {};
    SERIN_TRY(piece(std::string_view(buffer).substr(0, static_cast<std::size_t>(count))));
  }
}

Result<std::string> Folder::read(std::string_view path, std::uint64_t limit) const {
  std::string text;
  SERIN_TRY(stream(path, [&](std::string_view piece) -> Status {
    text += piece;
    if (text.size() <= limit) return {};
    return fail(Code::kOutOfRange,
                std::string(path) + ": is larger than " + std::to_string(limit) + " bytes");
  }));
  return text;
}

Result<std::string> Folder::sha256(std::string_view path) const {
  Sha256 digest;
  SERIN_TRY(stream(path, [&](std::string_view piece) -> Status {
    digest.update(piece);
    return {};
  }));
  return digest.hex();
}

Partial::Partial(const std::filesystem::path& target)
    : target_(target), path_(target.string() + ".partial-" + objects::random_id()) {}

Partial::~Partial() {
  std::error_code ignored;
  if (!path_.empty()) std::filesystem::remove_all(path_, ignored);
}

Status Partial::keep() {
  std::error_code error;
  std::filesystem::rename(path_, target_, error);
  if (error) return fail(Code::kUnknown, target_.string() + ": " + error.message());
  path_.clear();
  return {};
}

}  // namespace serin::model
