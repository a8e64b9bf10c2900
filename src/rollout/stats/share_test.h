// SPDX-License-Identifier: Apache-2.0
// Whose are the events? When both arms are alike, the next event is the candidate's with the
// probability of its share of what could have had one, whatever the rate of events is and however
// it changes (Lindon and Malek, "Anytime-Valid Inference for Multinomial Count Data", NeurIPS
// 2022). For counts that have no denominator (crashes), for events of users who were assigned at
// random, and for the split itself: there the event is that a user arrived.
#pragma once

#include <array>

#include "rollout/stats/e_process.h"

namespace serin::rollout {

class ShareTest {
 public:
  enum class Null : std::uint8_t {
    kNoMore,  // the candidate has its share or less
    kEqual,   // the candidate has its share
  };
  explicit ShareTest(Null null) : null_(null) {}

  // One event, when the candidate's share was `share`, of (0, 1); one of 0 or 1 proves nothing.
  void add(bool candidate, double share);
  double log_e() const;

 private:
  // Odds of the candidate, in times of what they should be.
  static constexpr std::array<double, 8> kOdds = {1.25, 1.5, 2, 3, 5, 10, 30, 100};
  Null null_;
  std::array<double, kOdds.size()> more_{};
  std::array<double, kOdds.size()> less_{};
};

}  // namespace serin::rollout
