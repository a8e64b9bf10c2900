// SPDX-License-Identifier: Apache-2.0
// For tests: addresses of this machine that no other process's tests use, so that several servers
// of one test may have the same port, as pods do.
#pragma once

#include <unistd.h>

#include <string>

namespace serin::platform::kubernetes {

inline constexpr int kLoopbacks = 3;

inline std::string loopback(int number) {
  const int pid = ::getpid();
  return "127." + std::to_string(1 + number + kLoopbacks * ((pid >> 16) & 63)) + "." +
         std::to_string((pid >> 8) & 255) + "." + std::to_string(pid & 255);
}

}  // namespace serin::platform::kubernetes
