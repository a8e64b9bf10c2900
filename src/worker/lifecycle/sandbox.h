// SPDX-License-Identifier: Apache-2.0
// Shuts the process in before it touches what a package holds: no new privileges, Landlock for
// files and TCP (https://docs.kernel.org/userspace-api/landlock.html), seccomp for system calls
// that a worker has no business with. What is allowed can only shrink afterwards, also for threads
// started later.
#pragma once

#include <cstdint>
#include <filesystem>
#include <vector>

#include "base/error.h"
#include "worker/options.h"

namespace serin::worker {

struct Sandbox {
  std::vector<std::filesystem::path> read;          // files and folders, with all below
  std::vector<std::filesystem::path> write;         // likewise; made when missing
  std::vector<std::uint16_t> bind;                  // TCP ports to listen on; empty: none
  std::vector<std::uint16_t> connect;               // TCP ports to connect to; empty: none
  std::vector<std::filesystem::path> devices = {};  // device files to read, write and ioctl()
  bool connect_unix = false;                        // to Unix sockets too
  bool datagrams = false;                           // names are looked up over UDP
  // Programs may be started, of what can be read; they and what they start can signal nobody else.
  bool programs = false;
};

// What any program of this system reads: libraries, certificates, names, its own state in /proc.
std::vector<std::filesystem::path> system_files();

// The package to read, the program's and the system's libraries; the ports of the options. Pure but
// for looking where libraries lie.
Sandbox sandbox_for(const WorkerOptions& options);

// kFailedPrecondition, with how to go on, where the kernel lacks Landlock or seccomp.
Status enter_sandbox(const Sandbox& sandbox);

// What the kernel offers: "landlock 7, seccomp"; for `serin serve`'s log and tests.
int landlock_abi();

}  // namespace serin::worker
