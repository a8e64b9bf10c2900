// SPDX-License-Identifier: Apache-2.0
#include "gateway/evidence_file.h"

#include <algorithm>
#include <charconv>
#include <utility>

#include "base/files.h"

namespace serin::gateway {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kFirstField = "{\"number\":";
constexpr std::uint64_t kTail = 64 * 1024;  // many times a line

fs::path before(const fs::path& path) { return path.string() + ".1"; }

std::optional<EvidenceLine> line_of(std::string_view text) {
  if (!text.starts_with(kFirstField)) return std::nullopt;
  EvidenceLine read;
  const char* number = text.data() + kFirstField.size();
  if (std::from_chars(number, text.data() + text.size(), read.number).ec != std::errc())
    return std::nullopt;
  read.text.assign(text).push_back('\n');
  return read;
}

std::string_view without_end(const EvidenceLine& line) {
  return std::string_view(line.text).substr(0, line.text.size() - 1);
}

void take_into(EvidenceFile::Kept& kept, std::string_view bytes) {
  kept.passed_over += take_lines(bytes, [&](std::string_view text) {
    auto line = line_of(text);
    if (line) kept.lines.push_back(*std::move(line));
    return line.has_value();
  });
}

}  // namespace

std::string framed(const EvidenceLine& line) { return framed_line(without_end(line)); }

std::optional<EvidenceLine> unframed(std::string_view line) {
  const auto text = unframed_line(line);
  return text ? line_of(*text) : std::nullopt;
}

Result<EvidenceFile> EvidenceFile::open(fs::path path, std::uint64_t most_bytes) {
  SERIN_TRY_ASSIGN(auto file, LineFile::open(std::move(path)));
  return EvidenceFile(std::move(file), most_bytes);
}

Status EvidenceFile::make_room() {
  std::error_code problem;
  // Another process may have done so already.
  const fs::path& path = file_.path();
  if (file_.is_at_path()) fs::rename(path, before(path), problem);
  if (problem)
    return fail(Code::kUnknown, "cannot rename " + path.string() + ": " + problem.message());
  return file_.reopen();
}

Status EvidenceFile::append(const EvidenceLine& line) {
  if (file_.bytes() >= most_bytes_) SERIN_TRY(make_room());
  return file_.append(without_end(line));
}

Result<EvidenceFile::Kept> EvidenceFile::read(std::size_t most) const {
  Kept kept;
  // The newer first: one that is renamed meanwhile is read twice, and not never. Beyond the limit
  // by what other writers added.
  for (const fs::path& path : {file_.path(), before(file_.path())}) {
    auto bytes = read_file(path, 4 * most_bytes_ + kTail);
    if (bytes) take_into(kept, *bytes);
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
  Kept kept;
  take_into(kept, file_.tail(kTail));
  std::uint64_t last = 0;
  for (const EvidenceLine& line : kept.lines) last = std::max(last, line.number);
  return last;
}

}  // namespace serin::gateway
