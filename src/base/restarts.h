// SPDX-License-Identifier: Apache-2.0
// When a command that ended is started again: at once at first, later the more often it ends soon.
// Pure but for its count; one owner.
#pragma once

#include "base/clock.h"

namespace serin {

struct RestartPolicy {
  std::chrono::milliseconds first{250};
  std::chrono::milliseconds longest{30'000};
  std::chrono::milliseconds good_run{10'000};  // a run this long makes up for those before it
  int crash_loop = 3;                          // short runs in a row that are no accident any more
};

class Restarts {
 public:
  // `short_runs`: in a row, that an earlier one has seen.
  explicit Restarts(RestartPolicy policy = {}, int short_runs = 0)
      : policy_(policy), short_runs_(short_runs) {}

  // A run of the command ended; how long to wait before the next.
  std::chrono::milliseconds ended_after(Duration run);
  bool crash_loop() const { return short_runs_ >= policy_.crash_loop; }
  int short_runs() const { return short_runs_; }

 private:
  RestartPolicy policy_;
  int short_runs_;
};

}  // namespace serin
