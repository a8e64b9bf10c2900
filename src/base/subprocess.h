// SPDX-License-Identifier: Apache-2.0
// A command in a process group of its own: started without a shell, its output bounded, killed with
// all its children. One owner; a thread of its own reads the output and ends with the command.
#pragma once

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/cancel.h"
#include "base/error.h"

namespace serin {

// Words as exec() and posix_spawn() want them, a null pointer last; good as long as `words` is not
// changed.
std::vector<char*> pointers_to(std::vector<std::string>& words);

using Variables = std::vector<std::pair<std::string, std::string>>;
// Our own environment and these; one that is in both has the value that it has here.
Variables environment_with(const Variables& added);
// "NAME=VALUE", as exec() and posix_spawn() want them.
std::vector<std::string> joined(const Variables& variables);

struct Command {
  std::vector<std::string> arguments;         // the program first: a path, or a name found on PATH
  std::optional<Variables> environment = {};  // all that it has; unset: ours
  std::filesystem::path directory = {};       // empty: ours
  std::string input = {};                     // its standard input, then the end of the file
  std::size_t output_limit = std::size_t{1} << 20;  // bytes kept of each stream
  bool capture = true;                              // false: its output goes where ours goes
};

struct Exit {
  int code = 0;            // what it returned; 128 + signal when a signal ended it
  int signal = 0;          // 0: it ended by itself
  bool timed_out = false;  // killed by run()'s deadline
  bool cancelled = false;  // killed by run()'s token
  std::string output;      // standard output, its first `output_limit` bytes
  std::string errors;      // standard error, its last `output_limit` bytes
  bool output_cut = false;
  bool ok() const { return code == 0 && signal == 0; }
};

class Subprocess {
 public:
  // kNotFound when there is no such program or directory. File descriptors are not inherited, but
  // the standard ones.
  static Result<Subprocess> start(Command command);
  ~Subprocess();  // kills what still runs
  Subprocess(Subprocess&&) noexcept;
  Subprocess& operator=(Subprocess&&) noexcept;

  int pid() const;  // also the process group
  bool running() const;
  // Blocks at most so long; empty when it still runs.
  std::optional<Exit> wait(std::chrono::milliseconds at_most);
  // SIGTERM to the group, SIGKILL to what is left of it after `grace`. Blocks until it has ended.
  Exit stop(std::chrono::milliseconds grace);

 private:
  struct State;
  explicit Subprocess(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

// Starts, waits, and kills past the deadline or when `cancel` is set. An Exit with a code other
// than 0 is no Error here.
Result<Exit> run_command(Command command, std::chrono::milliseconds deadline,
                         const CancelToken& cancel = {});

}  // namespace serin
