// SPDX-License-Identifier: Apache-2.0
// A command that runs as long as the worker does. The worker may start no programs once it is shut
// in, so a keeper does: a process of its own, forked before, that starts the command in a sandbox,
// starts it again when it ends, passes its output on to our log and ends it with the worker,
// however the worker ends.
//
//   worker ──pipe (its end means: stop)──► keeper ──► command, in a process group of its own
//      ◄──── CommandState, in shared memory ──┘
#pragma once

#include <chrono>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/error.h"
#include "base/restarts.h"
#include "base/subprocess.h"
#include "worker/lifecycle/sandbox.h"

namespace serin::worker {

struct KeptCommand {
  std::vector<std::string> arguments;  // the program first: a path, or a name found on PATH
  Variables environment;               // all of it
  std::filesystem::path directory;
  std::filesystem::path scratch;   // goes, with all it holds, when the keeper ends; empty: none
  std::optional<Sandbox> sandbox;  // unset: none
  RestartPolicy restarts;
  std::chrono::milliseconds grace{10'000};  // between SIGTERM and SIGKILL
};

// What the keeper last did.
struct CommandView {
  enum class Phase { kRunning, kWaiting, kGone } phase = Phase::kWaiting;
  int pid = 0;                // of the command, while it runs
  std::uint64_t started = 0;  // times
  int exit_code = 0;          // of the last run; 128 + signal when one ended it
  bool crash_loop = false;
  Instant next_start{};  // while waiting

  std::string sentence(Instant now) const;  // "the command ended with 3, …"; empty: it runs
};

struct CommandState;

class KeptProcess {
 public:
  // Forks the keeper. The process must have no other thread yet.
  static Result<std::unique_ptr<KeptProcess>> start(KeptCommand command);
  // Stops the command: SIGTERM to its group, SIGKILL after the grace. Waits for the keeper.
  ~KeptProcess();

  CommandView view() const;  // safe from any thread

 private:
  KeptProcess(CommandState* state, int keeper, int stop)
      : state_(state), keeper_(keeper), stop_(stop) {}
  CommandState* state_;  // shared memory
  int keeper_;           // pid
  int stop_;             // our end of the pipe
};

}  // namespace serin::worker
