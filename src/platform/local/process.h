// SPDX-License-Identifier: Apache-2.0
// A process that outlives who started it: in a session of its own, its output into a file, no pipe
// and no signal that ties it to us. It is named by its pid together with the time of its start, so
// that a pid that was given to another process is never taken for it, and can be adopted by that
// name later. One owner, one thread.
#pragma once

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/descriptor.h"
#include "base/error.h"
#include "base/subprocess.h"

namespace serin::platform::local {

// Which process of which boot.
struct Identity {
  int pid = 0;
  std::uint64_t started = 0;  // clock ticks since boot
  std::string boot;           // of the kernel's boot, a UUID
  bool operator==(const Identity&) const = default;
};

// What /proc/PID/stat says.
struct ProcessStat {
  char state = '?';  // 'T': stopped; 'Z': ended and not yet reaped
  int parent = 0;
  int session = 0;
  std::uint64_t started = 0;
};
// Nothing when there is no such process.
std::optional<ProcessStat> read_stat(int pid);
std::optional<ProcessStat> parse_stat(std::string_view text);

// Of the kernel's present boot; empty when it cannot be told.
std::string boot_id();

struct Launch {
  std::filesystem::path program;
  std::vector<std::string> arguments;          // the name of the program first
  Variables environment;                       // in addition to ours
  std::filesystem::path log;                   // standard output and error are appended to it
  int inherited = -1;                          // becomes descriptor 3; -1: nothing
  std::vector<std::filesystem::path> cgroups;  // whose cgroup.procs it joins before it runs
};

class Process {
 public:
  // Starts it in two steps, so that none ever runs that nobody knows: the child waits until
  // `record` has written down who it is, and ends by itself when we do before that. kNotFound when
  // the program cannot be run. Blocks until it runs, at most kStartWithin.
  static Result<Process> start(const Launch& launch,
                               const std::function<Status(const Identity&)>& record);
  // The same process as before, when it still runs; nothing when it ended.
  static std::optional<Process> adopt(const Identity& identity);

  Process(Process&&) noexcept = default;
  Process& operator=(Process&&) noexcept = default;

  const Identity& identity() const { return identity_; }
  int descriptor() const { return pidfd_.get(); }  // readable once it has ended
  bool stopped() const;                            // by SIGSTOP or a terminal
  void signal(int number) const;                   // nothing when it has ended
  // How it ended, once it has: "exit code 1", "signal 9 (Killed)". Of an adopted process nobody
  // but its parent learns that.
  struct End {
    std::string how;
    bool clean = false;  // exit code 0
  };
  std::optional<End> ended();
  // The same, waiting for it at most so long.
  std::optional<End> wait(std::chrono::milliseconds at_most);

 private:
  Process(Identity identity, Descriptor pidfd, bool child)
      : identity_(std::move(identity)), pidfd_(std::move(pidfd)), child_(child) {}

  Identity identity_;
  Descriptor pidfd_;
  bool child_;  // ours to reap
};

}  // namespace serin::platform::local
