// SPDX-License-Identifier: Apache-2.0
// Is the candidate's mean of a score worse than the stable version's? Scores lie in [0, 1], higher
// is better. Testing by betting (Waudby-Smith and Ramdas, "Estimating means of bounded random
// variables by betting", JRSS B 86, 2024), for two samples: each candidate's score x is set beside
// the mean y of the stable scores of its time, d = y - x says how much worse it was, and a bettor
// stakes a part of the capital, fixed before, that d is more (or less) than the margin on average.
// Under the null the bet is fair or unfavourable, so the capital is an e-process; nothing is
// supposed of the scores' distribution.
#pragma once

#include <span>

#include "rollout/stats/e_process.h"

namespace serin::rollout {

class MeanTest {
 public:
  // `margin` is in scores, 0 to 1.
  MeanTest(Side side, double margin) : side_(side), margin_(margin) {}

  // Scores of one block, in the order of their arrival, to be dealt into as many groups as there
  // are candidate's scores (or stable ones, when they are fewer).
  void add_block(std::span<const double> stable, std::span<const double> candidate);
  double log_e() const { return log_capital_; }

 private:
  void bet(double difference);

  Side side_;
  double margin_;
  double log_capital_ = 0;
  double count_ = 0;  // of bets
  double sum_ = 0;    // of gains: what a bet of everything would have won
  double squares_ = 0;
};

}  // namespace serin::rollout
