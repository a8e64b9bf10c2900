// SPDX-License-Identifier: Apache-2.0
#include "platform/local/logs.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "base/descriptor.h"
#include "base/files.h"

namespace serin::platform::local {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kSuffix = ".log";

fs::path numbered(const fs::path& log, int number) {
  if (number == 0) return log;
  fs::path path = log;
  return path += "." + std::to_string(number);
}

// The last `most` bytes of a file; empty when it cannot be read.
std::string end_of(const fs::path& path, std::uint64_t most) {
  const Descriptor file(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW));
  if (!file.open()) return {};
  const off_t size = ::lseek(file.get(), 0, SEEK_END);
  if (size <= 0) return {};
  const std::uint64_t wanted = std::min<std::uint64_t>(most, static_cast<std::uint64_t>(size));
  std::string text(wanted, '\0');
  const ssize_t got =
      ::pread(file.get(), text.data(), text.size(), size - static_cast<off_t>(wanted));
  text.resize(got > 0 ? static_cast<std::size_t>(got) : 0);
  return text;
}

// Copies until nothing comes any more, then cuts at once.
Status copy_and_cut(const fs::path& from, const fs::path& to) {
  const Descriptor source(::open(from.c_str(), O_RDWR | O_CLOEXEC | O_NOFOLLOW));
  const Descriptor target(::open(to.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600));
  if (!source.open() || !target.open())
    return fail(error_of_errno(errno, "cannot rotate " + from.string()));
  constexpr std::size_t kPiece = std::size_t{1} << 20;
  std::string piece(kPiece, '\0');
  for (;;) {
    const ssize_t got = ::read(source.get(), piece.data(), piece.size());
    if (got < 0 && errno == EINTR) continue;
    if (got == 0) break;
    if (got < 0 || ::write(target.get(), piece.data(), static_cast<std::size_t>(got)) != got)
      return fail(error_of_errno(errno, "cannot rotate " + from.string()));
  }
  if (::ftruncate(source.get(), 0) == 0) return {};
  return fail(error_of_errno(errno, "cannot cut " + from.string()));
}

}  // namespace

fs::path log_of(const fs::path& folder, std::string_view service, std::string_view replica) {
  return folder / service / (std::string(replica) + std::string(kSuffix));
}

Result<bool> rotate(const fs::path& log, const LogLimits& limits) {
  std::error_code problem;
  const std::uint64_t size = fs::file_size(log, problem);
  if (problem || size <= limits.bytes) return false;
  for (int number = limits.older - 1; number >= 1; --number)
    fs::rename(numbered(log, number), numbered(log, number + 1), problem);
  SERIN_TRY(copy_and_cut(log, numbered(log, 1)));
  return true;
}

std::string tail(const fs::path& log, std::size_t lines) {
  if (lines == 0) return {};
  std::string text;
  std::error_code problem;
  std::size_t begin = 0;
  // The file itself, then the older ones, until there are enough lines.
  for (int number = 0; text.size() < kTailBytes; ++number) {
    const fs::path path = numbered(log, number);
    if (!fs::exists(path, problem)) break;
    text.insert(0, end_of(path, kTailBytes - text.size()));
    std::size_t found = 0;
    begin = text.size();
    if (begin > 0 && text.back() == '\n') --begin;
    while (begin > 0) {
      const std::size_t end = text.rfind('\n', begin - 1);
      if (end == std::string::npos) {
        begin = 0;
        break;
      }
      if (++found == lines) return text.substr(end + 1);
      begin = end;
    }
  }
  return text;
}

std::vector<std::string> logged(const fs::path& folder, std::string_view service) {
  std::vector<std::pair<fs::file_time_type, std::string>> found;
  std::error_code problem;
  for (fs::directory_iterator at(folder / service, problem), end; !problem && at != end;
       at.increment(problem)) {
    const std::string name = at->path().filename().string();
    if (!name.ends_with(kSuffix)) continue;
    found.emplace_back(at->last_write_time(problem), name.substr(0, name.size() - kSuffix.size()));
  }
  std::ranges::sort(found);
  std::vector<std::string> names;
  for (auto& [time, name] : found) names.push_back(std::move(name));
  return names;
}

void remove_old(const fs::path& folder, std::string_view service,
                const std::vector<std::string>& living, const LogLimits& limits) {
  std::vector<std::string> gone = logged(folder, service);
  std::erase_if(gone, [&](const std::string& name) {
    return std::ranges::find(living, name) != living.end();
  });
  std::error_code problem;
  for (std::size_t i = 0; i + static_cast<std::size_t>(limits.replicas) < gone.size(); ++i) {
    const fs::path log = log_of(folder, service, gone[i]);
    for (int number = 0; number <= limits.older; ++number)
      fs::remove(numbered(log, number), problem);
  }
}

}  // namespace serin::platform::local
