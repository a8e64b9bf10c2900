// SPDX-License-Identifier: Apache-2.0
// How much more the stable arm's events vary than independent ones would: the factor by which
// evidence that counts them one by one says too much. 1 for independent events. Three ways in which
// events depend on each other are measured, for none sees what the others do: failures that follow
// each other on one worker, times in which there are more of them, and users who have more of them
// than others.
#pragma once

#include <array>
#include <cstdint>

#include "rollout/request.h"
#include "rollout/stats/e_process.h"

namespace serin::rollout {

// Lengths of the runs of events, in the order of the requests of one worker. A sum of runs of
// lengths L varies E[L^2]/E[L] times as much as a sum of single events. Before any run was seen, it
// is as if one long one had been: too little data must not look like independence.
class RunLengths {
 public:
  void add_run(std::uint64_t length);
  void add_trials(std::uint64_t trials) { trials_ += static_cast<double>(trials); }
  // E[L^2]/E[L]: the length of the run in which an event lies, on average. At first
  // kPriorTypical.
  double typical() const;
  // The same, at first kPriorFactor, beside what independent events of this rate, which also meet
  // now and then, would give.
  double factor() const;

  template <class Self, class Archive>
  static void fields(Self& self, Archive& archive) {
    archive(self.trials_, self.lengths_, self.squares_);
  }

 private:
  static constexpr double kPriorTypical = 6;
  static constexpr double kPriorFactor = 3;

  double mean_run(double prior) const { return (squares_ + prior * prior) / (lengths_ + prior); }

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

  template <class Self, class Archive>
  static void fields(Self& self, Archive& archive) {
    archive(self.recent_trials_, self.recent_events_, self.open_, self.statistic_, self.cells_);
  }

 private:
  static constexpr double kExpected = 5;
  double recent_trials_ = 0;  // with older ones forgotten by and by
  double recent_events_ = 0;
  Trials open_;
  double statistic_ = 0;
  double cells_ = 0;
};

// Requests of one key: how much alike they are, from each one's and the one before it (of the same
// key and arm), and how many there are of a key. n requests of a key whose outcomes correlate by r
// vary 1 + r (n - 1) times as much as n independent ones (Kish, "Survey Sampling", 1965, section
// 5.4: the design effect). Before anything was seen, it is as if one pair had been alike.
class KeyDispersion {
 public:
  // The `number`-th request of its key in this arm, counted from 1; `before`: whether the one
  // before it was an event. How much alike is measured of the stable arm alone.
  void add(Arm arm, std::uint64_t number, bool before, bool event);
  double factor() const;

  template <class Self, class Archive>
  static void fields(Self& self, Archive& archive) {
    archive(self.sizes_, self.requests_, self.pairs_);
  }

 private:
  double sizes_ = 0;     // sum over keys of the square of their requests
  double requests_ = 0;  // sum over keys of their requests
  // By whether the first and the second of two were events.
  std::array<std::array<double, 2>, 2> pairs_{};
};

}  // namespace serin::rollout
