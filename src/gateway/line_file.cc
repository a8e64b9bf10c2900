// SPDX-License-Identifier: Apache-2.0
#include "gateway/line_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <utility>

#include "base/file_stamp.h"
#include "base/files.h"
#include "gateway/hash.h"

namespace serin::gateway {
namespace {

constexpr std::string_view kVersion = "1 ";
constexpr std::size_t kHashDigits = 16;

std::string hash_of(std::string_view text) {
  std::array<char, kHashDigits> digits{};
  const auto end =
      std::to_chars(digits.data(), digits.data() + digits.size(), hash_bytes(text, 0), 16).ptr;
  std::string hash(digits.data(), end);
  hash.insert(0, kHashDigits - hash.size(), '0');
  return hash;
}

}  // namespace

std::string framed_line(std::string_view text) {
  std::string made(kVersion);
  made += hash_of(text);
  made += ' ';
  made += text;
  made += '\n';
  return made;
}

std::optional<std::string_view> unframed_line(std::string_view line) {
  constexpr std::size_t kBefore = kVersion.size() + kHashDigits + 1;
  if (!line.starts_with(kVersion) || line.size() < kBefore) return std::nullopt;
  const std::string_view text = line.substr(kBefore);
  if (line.substr(kVersion.size(), kHashDigits) != hash_of(text)) return std::nullopt;
  return text;
}

std::size_t take_lines(std::string_view bytes, const std::function<bool(std::string_view)>& take) {
  std::size_t passed_over = 0;
  while (!bytes.empty()) {
    const std::size_t end = bytes.find('\n');
    const std::string_view line = bytes.substr(0, end);
    bytes.remove_prefix(end == std::string_view::npos ? bytes.size() : end + 1);
    if (line.empty()) continue;
    const auto text = unframed_line(line);
    if (!text || !take(*text)) ++passed_over;
  }
  return passed_over;
}

Result<LineFile> LineFile::open(std::filesystem::path path) {
  LineFile file(std::move(path));
  SERIN_TRY(file.reopen());
  return file;
}

Status LineFile::reopen() {
  file_ = Descriptor(::open(path_.c_str(), O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC, 0600));
  SERIN_TRY(measure());
  end_torn_line();
  return {};
}

Status LineFile::measure() {
  struct stat info{};
  if (!file_.open() || ::fstat(file_.get(), &info) != 0)
    return fail(error_of_errno(errno, "cannot open " + path_.string()));
  bytes_ = static_cast<std::uint64_t>(info.st_size);
  return {};
}

// So that it does not go on in the one that follows.
void LineFile::end_torn_line() {
  char last = '\n';
  if (bytes_ > 0 && ::pread(file_.get(), &last, 1, static_cast<off_t>(bytes_ - 1)) == 1 &&
      last != '\n' && ::write(file_.get(), "\n", 1) == 1)
    ++bytes_;
}

bool LineFile::is_at_path() const { return is_at(path_, file_.get()); }

Status LineFile::append(std::string_view text) {
  if (!file_.open()) SERIN_TRY(reopen());
  const std::string bytes = framed_line(text);
  ssize_t written = 0;
  do {
    written = ::write(file_.get(), bytes.data(), bytes.size());
  } while (written < 0 && errno == EINTR);
  if (written > 0) bytes_ += static_cast<std::uint64_t>(written);
  if (written == static_cast<ssize_t>(bytes.size())) return {};
  const int problem = written < 0 ? errno : ENOSPC;
  if (written > 0) SERIN_TRY(reopen());
  return fail(error_of_errno(problem, "cannot write " + path_.string()));
}

std::string LineFile::tail(std::uint64_t bytes) const {
  const std::uint64_t from = bytes_ - std::min(bytes_, bytes);
  std::string read(static_cast<std::size_t>(bytes_ - from), '\0');
  const ssize_t got = ::pread(file_.get(), read.data(), read.size(), static_cast<off_t>(from));
  read.resize(static_cast<std::size_t>(std::max<ssize_t>(got, 0)));
  return read;
}

std::string LineFile::take_appended() {
  const std::uint64_t before = bytes_;
  if (!measure() || bytes_ <= before) return {};
  std::string appended = tail(bytes_ - before);
  end_torn_line();
  return appended;
}

}  // namespace serin::gateway
