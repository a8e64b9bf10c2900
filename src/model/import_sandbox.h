// SPDX-License-Identifier: Apache-2.0
// Runs a command on files that may be hostile: it sees what it is given to read, writes one folder,
// has no network, no HOME and no way to more rights. Made of a seccomp filter (no sockets),
// Landlock (files), namespaces of its own for users, processes and the network where the kernel
// grants them, and limits on time and output.
#pragma once

#include <chrono>
#include <filesystem>
#include <string>
#include <vector>

#include "base/error.h"
#include "base/subprocess.h"

namespace serin::model {

struct Confined {
  std::vector<std::string> arguments;                // the program first, an absolute path
  std::vector<std::filesystem::path> readable = {};  // besides the system's programs and libraries
  std::filesystem::path folder;  // the one it may write; its working directory, TMPDIR and HOME too
  Variables environment = {};    // besides PATH, HOME, TMPDIR and LANG
  std::chrono::milliseconds deadline = std::chrono::minutes(10);
};

struct ConfinedExit {
  int code = 0;  // 128 + signal when a signal ended it
  bool timed_out = false;
  std::string output;  // the end of what it wrote to standard output and error
};

// Blocks until the command and all its children have ended. kFailedPrecondition when this kernel
// cannot confine it: then nothing has run.
Result<ConfinedExit> run_confined(const Confined& command);

}  // namespace serin::model
