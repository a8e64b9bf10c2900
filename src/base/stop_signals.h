// SPDX-License-Identifier: Apache-2.0
// The signals that ask a process to end.
#pragma once

#include <csignal>

namespace serin {

// SIGTERM and SIGINT, which threads that are started from here on leave to sigwait() and its kin.
inline sigset_t hold_stop_signals() {
  sigset_t stops;
  sigemptyset(&stops);
  sigaddset(&stops, SIGTERM);
  sigaddset(&stops, SIGINT);
  pthread_sigmask(SIG_BLOCK, &stops, nullptr);
  return stops;
}

}  // namespace serin
