// SPDX-License-Identifier: Apache-2.0
#include "platform/local/memory.h"

#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <filesystem>
#include <string>

#include "base/files.h"
#include "platform/local/process.h"

namespace serin::platform::local {
namespace {

// "RssAnon:\t   1234 kB"
std::uint64_t kilobytes(std::string_view status, std::string_view name) {
  const std::size_t at = status.find(name);
  if (at == std::string_view::npos) return 0;
  status.remove_prefix(at + name.size());
  status.remove_prefix(std::min(status.find_first_of("0123456789"), status.size()));
  std::uint64_t value = 0;
  std::from_chars(status.data(), status.data() + status.size(), value);
  return value;
}

}  // namespace

std::uint64_t held_bytes(std::string_view status) {
  return (kilobytes(status, "RssAnon:") + kilobytes(status, "RssShmem:")) * 1024;
}

std::map<int, std::uint64_t> memory_of_sessions(const std::vector<int>& sessions) {
  std::map<int, std::uint64_t> held;
  if (sessions.empty()) return held;
  std::error_code problem;
  for (std::filesystem::directory_iterator at("/proc", problem), end; !problem && at != end;
       at.increment(problem)) {
    const std::string name = at->path().filename().string();
    int pid = 0;
    const char* last = name.data() + name.size();
    if (std::from_chars(name.data(), last, pid).ptr != last) continue;
    const auto stat = read_stat(pid);
    if (!stat || std::ranges::find(sessions, stat->session) == sessions.end()) continue;
    if (const auto status = read_file(at->path() / "status", 65'536))
      held[stat->session] += held_bytes(*status);
  }
  return held;
}

std::uint64_t machine_memory() {
  const auto pages = ::sysconf(_SC_PHYS_PAGES);
  const auto size = ::sysconf(_SC_PAGESIZE);
  return pages > 0 && size > 0
             ? static_cast<std::uint64_t>(pages) * static_cast<std::uint64_t>(size)
             : 0;
}

}  // namespace serin::platform::local
