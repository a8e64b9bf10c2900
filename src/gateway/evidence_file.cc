// SPDX-License-Identifier: Apache-2.0
#include "gateway/evidence_file.h"

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

namespace fs = std::filesystem;

constexpr std::string_view kVersion = "1 ";
constexpr std::size_t kHashDigits = 16;
constexpr std::string_view kFirstField = "{\"number\":";
constexpr std::uint64_t kTail = 64 * 1024;  // many times a line

std::string hash_of(std::string_view text) {
  std::array<char, kHashDigits> digits{};
  const auto end =
      std::to_chars(digits.data(), digits.data() + digits.size(), hash_bytes(text, 0), 16).ptr;
  std::string hash(digits.data(), end);
  hash.insert(0, kHashDigits - hash.size(), '0');
  return hash;
}

fs::path before(const fs::path& path) { return path.string() + ".1"; }

void take_lines(std::string_view bytes, EvidenceFile::Kept& into) {
  while (!bytes.empty()) {
    const std::size_t end = bytes.find('\n');
    const std::string_view line = bytes.substr(0, end);
    bytes.remove_prefix(end == std::string_view::npos ? bytes.size() : end + 1);
    if (line.empty()) continue;
    if (auto read = unframed(line)) {
      into.lines.push_back(*std::move(read));
    } else {
      ++into.passed_over;
    }
  }
}

}  // namespace

std::string framed(const EvidenceLine& line) {
  std::string made(kVersion);
  made += hash_of(std::string_view(line.text).substr(0, line.text.size() - 1));
  made += ' ';
  made += line.text;
  return made;
}

std::optional<EvidenceLine> unframed(std::string_view line) {
  constexpr std::size_t kBefore = kVersion.size() + kHashDigits + 1;
  if (!line.starts_with(kVersion) || line.size() < kBefore) return std::nullopt;
  const std::string_view text = line.substr(kBefore);
  if (line.substr(kVersion.size(), kHashDigits) != hash_of(text)) return std::nullopt;
  if (!text.starts_with(kFirstField)) return std::nullopt;
  EvidenceLine read;
  const char* number = text.data() + kFirstField.size();
  if (std::from_chars(number, text.data() + text.size(), read.number).ec != std::errc())
    return std::nullopt;
  read.text.assign(text).push_back('\n');
  return read;
}

Result<EvidenceFile> EvidenceFile::open(fs::path path, std::uint64_t most_bytes) {
  EvidenceFile file(std::move(path), most_bytes);
  SERIN_TRY(file.reopen());
  return file;
}

Status EvidenceFile::reopen() {
  file_ = Descriptor(::open(path_.c_str(), O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC, 0600));
  struct stat info{};
  if (!file_.open() || ::fstat(file_.get(), &info) != 0)
    return fail(error_of_errno(errno, "cannot open " + path_.string()));
  bytes_ = static_cast<std::uint64_t>(info.st_size);
  // A line that was torn ends here, and not in the one that follows.
  char last = '\n';
  if (bytes_ > 0 && ::pread(file_.get(), &last, 1, static_cast<off_t>(bytes_ - 1)) == 1 &&
      last != '\n' && ::write(file_.get(), "\n", 1) == 1)
    ++bytes_;
  return {};
}

Status EvidenceFile::make_room() {
  // Another process may have done so already.
  std::error_code problem;
  if (is_at(path_, file_.get())) fs::rename(path_, before(path_), problem);
  if (problem)
    return fail(Code::kUnknown, "cannot rename " + path_.string() + ": " + problem.message());
  return reopen();
}

Status EvidenceFile::append(const EvidenceLine& line) {
  if (!file_.open()) SERIN_TRY(reopen());
  if (bytes_ >= most_bytes_) SERIN_TRY(make_room());
  const std::string bytes = framed(line);
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

Result<EvidenceFile::Kept> EvidenceFile::read(std::size_t most) const {
  Kept kept;
  // The newer first: one that is renamed meanwhile is read twice, and not never. Beyond the limit
  // by what other writers added.
  for (const fs::path& path : {path_, before(path_)}) {
    auto bytes = read_file(path, 4 * most_bytes_ + kTail);
    if (bytes) take_lines(*bytes, kept);
    if (!bytes && bytes.error().code != Code::kNotFound) return fail(std::move(bytes).error());
  }
  std::ranges::sort(kept.lines, {}, &EvidenceLine::number);
  const auto again = std::ranges::unique(kept.lines, {}, &EvidenceLine::number);
  kept.lines.erase(again.begin(), again.end());
  if (kept.lines.size() > most)
    kept.lines.erase(kept.lines.begin(), kept.lines.end() - static_cast<std::ptrdiff_t>(most));
  return kept;
}

std::uint64_t EvidenceFile::last_number() const {
  const std::uint64_t from = bytes_ > kTail ? bytes_ - kTail : 0;
  std::string tail(static_cast<std::size_t>(bytes_ - from), '\0');
  const ssize_t got = ::pread(file_.get(), tail.data(), tail.size(), static_cast<off_t>(from));
  Kept kept;
  take_lines(std::string_view(tail).substr(0, static_cast<std::size_t>(std::max<ssize_t>(got, 0))),
             kept);
  std::uint64_t last = 0;
  for (const EvidenceLine& line : kept.lines) last = std::max(last, line.number);
  return last;
}

}  // namespace serin::gateway
