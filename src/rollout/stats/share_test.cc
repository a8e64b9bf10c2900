// SPDX-License-Identifier: Apache-2.0
#include "rollout/stats/share_test.h"

#include <cmath>

namespace serin::rollout {

void ShareTest::set_share(double share) {
  share_ = share;
  for (std::size_t i = 0; i < kOdds.size(); ++i) {
    more_norm_[i] = std::log1p(share * (kOdds[i] - 1));
    less_norm_[i] = std::log1p(share * (1 / kOdds[i] - 1));
  }
}

void ShareTest::add(std::uint64_t others, std::uint64_t candidates, double share) {
  if (share <= 0 || share >= 1) return;
  if (share != share_) {
    settle(more_, less_);
    set_share(share);
    counts_ = {};
  }
  counts_[0] += others;
  counts_[1] += candidates;
}

void ShareTest::settle(Values& more, Values& less) const {
  static const Values kLogOdds = [] {
    Values logs{};
    for (std::size_t i = 0; i < kOdds.size(); ++i) logs[i] = std::log(kOdds[i]);
    return logs;
  }();
  const auto own = static_cast<double>(counts_[1]);
  const double all = static_cast<double>(counts_[0]) + own;
  for (std::size_t i = 0; i < kOdds.size(); ++i) {
    more[i] += own * kLogOdds[i] - all * more_norm_[i];
    less[i] -= own * kLogOdds[i] + all * less_norm_[i];
  }
}

double ShareTest::log_e() const {
  Values more = more_;
  Values less = less_;
  settle(more, less);
  const double none_fewer = log_mixture(more);
  return null_ == Null::kNoMore ? none_fewer : log_mixture(none_fewer, log_mixture(less), 0.5);
}

}  // namespace serin::rollout
