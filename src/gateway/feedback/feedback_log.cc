// SPDX-License-Identifier: Apache-2.0
#include "gateway/feedback/feedback_log.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <string>

#include "base/descriptor.h"
#include "base/file_stamp.h"
#include "base/files.h"
#include "base/log.h"

namespace serin::gateway {
namespace {

namespace fs = std::filesystem;

fs::path numbered(fs::path path, int number) {
  return number == 0 ? path : path += "." + std::to_string(number);
}

Status append(const Descriptor& file, off_t size, std::string_view line, const fs::path& path) {
  ssize_t written = 0;
  do {
    written = ::write(file.get(), line.data(), line.size());
  } while (written < 0 && errno == EINTR);
  if (written == static_cast<ssize_t>(line.size())) return {};
  const int problem = written < 0 ? errno : ENOSPC;
  // No half line stays.
  static_cast<void>(::ftruncate(file.get(), size) < 0);
  return fail(error_of_errno(problem, "cannot write to " + path.string()));
}

}  // namespace

void FeedbackLog::rotate() const {
  std::error_code problem;
  if (fs::remove(numbered(path_, kOlder), problem))
    log::warning("the oldest feedback was removed", {{"file", numbered(path_, kOlder).string()}});
  for (int number = kOlder; number > 0; --number)
    fs::rename(numbered(path_, number - 1), numbered(path_, number), problem);
}

Status FeedbackLog::write(std::string_view line) const {
  constexpr int kTries = 8;  // others rotate too
  for (int i = 0; i < kTries; ++i) {
    const Descriptor file(
        ::open(path_.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOFOLLOW, 0600));
    struct stat open{};
    if (!file.open() || ::flock(file.get(), LOCK_EX) < 0 || ::fstat(file.get(), &open) < 0)
      return fail(error_of_errno(errno, "cannot open " + path_.string()));
    if (!is_at(path_, file.get())) continue;  // another process has rotated it
    const bool fits = static_cast<std::uint64_t>(open.st_size) + line.size() <= bytes_;
    if (fits || open.st_size == 0) return append(file, open.st_size, line, path_);
    rotate();
  }
  return fail(Code::kUnavailable, path_.string() + " was rotated again and again");
}

}  // namespace serin::gateway
