// SPDX-License-Identifier: Apache-2.0
#include "engine/held_output.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <cstdio>

#include "base/log.h"

namespace serin::engine {

std::vector<std::string> held_output_of(const std::function<void()>& work) {
  std::fflush(stderr);
  const int held = ::memfd_create("stderr", MFD_CLOEXEC);
  const int kept = ::fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 0);
  const bool holding = held >= 0 && kept >= 0 && ::dup2(held, STDERR_FILENO) >= 0;
  work();
  std::fflush(stderr);
  if (holding) ::dup2(kept, STDERR_FILENO);
  std::string text;
  std::array<char, 4096> piece{};
  constexpr std::size_t kMost = std::size_t{1} << 20;
  for (ssize_t got = 0;
       held >= 0 && text.size() < kMost &&
       (got = ::pread(held, piece.data(), piece.size(), static_cast<off_t>(text.size()))) > 0;)
    text.append(piece.data(), static_cast<std::size_t>(got));
  if (held >= 0) ::close(held);
  if (kept >= 0) ::close(kept);
  std::vector<std::string> lines;
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t end = std::min(text.find('\n', at), text.size());
    if (end > at) lines.push_back(text.substr(at, end - at));
    at = end + 1;
  }
  return lines;
}

bool is_library_line(std::string_view line) {
  if (line.starts_with("WARNING: All log messages before absl::InitializeLog()")) return true;
  constexpr std::string_view kSeverities = "IWEF";
  return line.size() > 6 && kSeverities.find(line[0]) != std::string_view::npos &&
         std::all_of(line.begin() + 1, line.begin() + 5,
                     [](unsigned char c) { return std::isdigit(c) != 0; }) &&
         line[5] == ' ';
}

void pass_on(const std::vector<std::string>& lines, std::string_view library) {
  for (const std::string& line : lines) {
    if (is_library_line(line))
      log::debug("a library says", {{"library", library}, {"said", line}});
    else
      std::fprintf(stderr, "%s\n", line.c_str());
  }
}

}  // namespace serin::engine
