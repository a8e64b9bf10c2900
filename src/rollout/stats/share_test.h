// SPDX-License-Identifier: Apache-2.0
// Whose are the events? When both arms are alike, the next event is the candidate's with the
// probability of its share of what could have had one, whatever the rate of events is and however
// it changes (Lindon and Malek, "Anytime-Valid Inference for Multinomial Count Data", NeurIPS
// 2022). For counts that have no denominator (crashes), for events of users who were assigned at
// random, and for the split itself: there the event is that a user arrived.
#pragma once

#include <array>
#include <cstdint>

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
  void add(bool candidate, double share) { add(candidate ? 0U : 1U, candidate ? 1U : 0U, share); }
  // So many of each.
  void add(std::uint64_t others, std::uint64_t candidates, double share);
  double log_e() const;

  template <class Self, class Archive>
  static void fields(Self& self, Archive& archive) {
    archive(self.more_, self.less_, self.share_, self.counts_);
    if constexpr (requires { archive.set_bad(); }) self.set_share(self.share_);
  }

 private:
  // Odds of the candidate, in times of what they should be.
  static constexpr std::array<double, 8> kOdds = {1.25, 1.5, 2, 3, 5, 10, 30, 100};
  using Values = std::array<double, kOdds.size()>;

  void set_share(double share);
  // The events of the present share, multiplied into both.
  void settle(Values& more, Values& less) const;

  Null null_;
  Values more_{};  // until the share was what it is now
  Values less_{};
  double share_ = 0;
  std::array<std::uint64_t, 2> counts_{};  // of events since, others' and the candidate's
  // What any event of this share divides the likelihood by, as a logarithm.
  Values more_norm_{};
  Values less_norm_{};
};

}  // namespace serin::rollout
