// SPDX-License-Identifier: Apache-2.0
#include "rollout/stats/share_test.h"

#include <cmath>

namespace serin::rollout {
namespace {

// log of the likelihood ratio of odds that are `times` the expected ones.
double step(bool candidate, double share, double times) {
  const double norm = share * times + (1 - share);
  return std::log(candidate ? times / norm : 1 / norm);
}

}  // namespace

void ShareTest::add(bool candidate, double share) {
  if (share <= 0 || share >= 1) return;
  for (std::size_t i = 0; i < kOdds.size(); ++i) {
    more_[i] += step(candidate, share, kOdds[i]);
    if (null_ == Null::kEqual) less_[i] += step(candidate, share, 1 / kOdds[i]);
  }
}

double ShareTest::log_e() const {
  const double more = log_mixture(more_);
  return null_ == Null::kNoMore ? more : log_mixture(more, log_mixture(less_), 0.5);
}

}  // namespace serin::rollout
