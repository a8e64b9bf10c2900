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
  // How many more groups until log_e() reaches `threshold`, if the differences stay as they were.
  // Infinite when they speak against it.
  double expected_groups(double threshold) const;

  template <class Self, class Archive>
  static void fields(Self& self, Archive& archive) {
    archive(self.log_capital_, self.count_, self.sum_, self.squares_);
  }

 private:
  void bet(double difference);
  double mean() const { return sum_ / (count_ + 4); }
  double second_moment() const { return (squares_ + 0.25) / (count_ + 1); }

  Side side_;
  double margin_;
  double log_capital_ = 0;
  double count_ = 0;  // of bets
  double sum_ = 0;    // of gains: what a bet of everything would have won
  double squares_ = 0;
};

}  // namespace serin::rollout
