// SPDX-License-Identifier: Apache-2.0
#include "base/files.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <system_error>

#include "base/descriptor.h"
#include "base/write_all.h"

namespace serin {
namespace {

Status write_new(const std::filesystem::path& temporary, std::string_view bytes) {
  const Descriptor file(::open(temporary.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644));
  if (file.get() < 0) return fail(error_of_errno(errno, "cannot create " + temporary.string()));
  SERIN_TRY(write_all(file, bytes, temporary.string()));
  if (::fsync(file.get()) != 0) {
    return fail(error_of_errno(errno, "cannot sync " + temporary.string()));
  }
  return {};
}

std::filesystem::path beside(const std::filesystem::path& path) {
  static std::atomic<unsigned> counter{0};
  std::filesystem::path temporary = path;
  temporary += ".tmp." + std::to_string(::getpid()) + "." + std::to_string(counter.fetch_add(1));
  return temporary;
}

// After a rename the name itself is safe only once its directory is on disk.
void sync_directory(const std::filesystem::path& path) {
  const std::filesystem::path parent = path.has_parent_path() ? path.parent_path() : ".";
  const Descriptor directory(::open(parent.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (directory.get() >= 0) ::fsync(directory.get());
}

}  // namespace

Error error_of_errno(int number, std::string_view what) {
  Code code = Code::kUnknown;
  switch (number) {
    case ENOENT:
    case ENOTDIR:
      code = Code::kNotFound;
      break;
    case EACCES:
    case EPERM:
    case EROFS:
      code = Code::kPermissionDenied;
      break;
    case EEXIST:
      code = Code::kAlreadyExists;
      break;
    case EINVAL:
    case EISDIR:
    case ENAMETOOLONG:
    case ELOOP:
      code = Code::kInvalidArgument;
      break;
    case ENOMEM:
    case ENOSPC:
    case EDQUOT:
    case EMFILE:
    case ENFILE:
      code = Code::kResourceExhausted;
      break;
    default:
      break;
  }
  return Error{code, std::string(what) + ": " + std::generic_category().message(number)};
}

Result<std::string> read_file(const std::filesystem::path& path, std::uint64_t limit) {
  const Descriptor file(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (file.get() < 0) return fail(error_of_errno(errno, "cannot read " + path.string()));
  struct stat status{};
  if (::fstat(file.get(), &status) != 0) {
    return fail(error_of_errno(errno, "cannot read " + path.string()));
  }
  std::string bytes;
  const auto expected = static_cast<std::uint64_t>(status.st_size > 0 ? status.st_size : 0);
  const auto too_large = [&] {
    return fail(Code::kOutOfRange,
                path.string() + " is larger than the limit of " + std::to_string(limit) + " bytes");
  };
  if (S_ISREG(status.st_mode) && expected > limit) return too_large();
  bytes.reserve(static_cast<std::size_t>(expected) +
                4096);  // the last read, which finds the end, must not move it all
  // What the system says of a size is a hint: a file may grow, and those under /proc say 0.
  std::size_t used = 0;
  for (;;) {
    const std::uint64_t room = std::max<std::uint64_t>(expected > used ? expected - used : 0, 4096);
    bytes.resize(used + static_cast<std::size_t>(room));
    const ssize_t got = ::read(file.get(), bytes.data() + used, bytes.size() - used);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return fail(error_of_errno(errno, "cannot read " + path.string()));
    if (got == 0) break;
    used += static_cast<std::size_t>(got);
    if (used > limit) return too_large();
  }
  bytes.resize(used);
  return bytes;
}

Status write_file(const std::filesystem::path& path, std::string_view bytes) {
  const std::filesystem::path temporary = beside(path);
  Status written = write_new(temporary, bytes);
  if (written && ::rename(temporary.c_str(), path.c_str()) != 0) {
    written = fail(error_of_errno(errno, "cannot write " + path.string()));
  }
  if (!written) {
    ::unlink(temporary.c_str());
    return written;
  }
  sync_directory(path);
  return {};
}

Result<TemporaryDirectory> TemporaryDirectory::create(std::string_view prefix) {
  std::error_code problem;
  const std::filesystem::path base = std::filesystem::temp_directory_path(problem);
  if (problem)
    return fail(Code::kNotFound, "no directory for temporary files: " + problem.message());
  std::string name = (base / (std::string(prefix) + ".XXXXXX")).string();
  if (::mkdtemp(name.data()) == nullptr) {
    return fail(error_of_errno(errno, "cannot create " + name));
  }
  return TemporaryDirectory(name);
}

TemporaryDirectory::TemporaryDirectory(TemporaryDirectory&& other) noexcept
    : path_(std::exchange(other.path_, {})) {}

TemporaryDirectory& TemporaryDirectory::operator=(TemporaryDirectory&& other) noexcept {
  std::swap(path_, other.path_);
  return *this;
}

TemporaryDirectory::~TemporaryDirectory() {
  std::error_code ignored;
  if (!path_.empty()) std::filesystem::remove_all(path_, ignored);
}

namespace {

std::filesystem::path variable(const char* name) {
  const char* value = std::getenv(name);
  return std::filesystem::path(value == nullptr ? "" : value);
}

}  // namespace

std::filesystem::path cache_directory() {
  if (const auto own = variable("SERIN_CACHE"); !own.empty()) return own;
  if (const auto xdg = variable("XDG_CACHE_HOME"); !xdg.empty()) return xdg / "serin";
  if (const auto home = variable("HOME"); !home.empty()) return home / ".cache" / "serin";
  return std::filesystem::path("/tmp") / "serin-cache";
}

std::filesystem::path state_directory() {
  if (const auto xdg = variable("XDG_STATE_HOME"); !xdg.empty()) return xdg / "serin";
  if (const auto home = variable("HOME"); !home.empty()) return home / ".local/state/serin";
  return std::filesystem::path("/var/lib/serin");
}

}  // namespace serin
