// SPDX-License-Identifier: Apache-2.0
// How much more the stable arm's events vary than independent ones would: the factor by which
// evidence that counts them one by one says too much. 1 for independent events. Two ways in which
// events depend on each other are measured, for neither sees what the other does: failures that
// follow each other on one worker, and times in which there are more of them.
#pragma once

#include <cstdint>

#include "rollout/stats/e_process.h"

namespace serin::rollout {

// Lengths of the runs of events, in the order of the requests of one worker. A sum of runs of
// lengths L varies E[L^2]/E[L] times as much as a sum of single events. Before any run was seen, it
// is as if one of kPriorLength had been: too little data must not look like independence.
class RunLengths {
 public:
  void add_run(std::uint64_t length);
  void add_trials(std::uint64_t trials) { trials_ += static_cast<double>(trials); }
  // E[L^2]/E[L]: the length of the run in which an event lies, on average.
  double typical() const;
  // The same beside what independent events of this rate, which also meet now and then, would give.
  double factor() const;

 private:
  static constexpr double kPriorLength = 3;
  double trials_ = 0;
  double lengths_ = 0;
  double squares_ = 0;
};

// Pearson's statistic over times of about kExpected events each, against the rate of the times
// shortly before. The factor is what is above 1 beyond doubt (three standard errors), so that
// independent events give 1.
class TimeDispersion {
 public:
  void add_block(Trials block);
  double factor() const;

 private:
  static constexpr double kExpected = 5;
  double recent_trials_ = 0;  // with older ones forgotten by and by
  double recent_events_ = 0;
  Trials open_;
  double statistic_ = 0;
  double cells_ = 0;
};

}  // namespace serin::rollout
