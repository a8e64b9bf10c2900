// SPDX-License-Identifier: Apache-2.0
#include "rollout/stats/dispersion.h"

#include <algorithm>
#include <cmath>

namespace serin::rollout {

void RunLengths::add_run(std::uint64_t length) {
  const auto value = static_cast<double>(length);
  lengths_ += value;
  squares_ += value * value;
}

double RunLengths::typical() const { return mean_run(kPriorTypical); }

double RunLengths::factor() const {
  const double rate = trials_ > 0 ? std::min(0.9, lengths_ / trials_) : 0;
  return std::max(1.0, mean_run(kPriorFactor) * (1 - rate) / (1 + rate));
}

void TimeDispersion::add_block(Trials block) {
  constexpr double kKept = 0.9;  // of the past, by a cell: the rate is that of about ten cells
  constexpr double kPastEvents = 20;
  open_ += block;
  const auto trials = static_cast<double>(open_.trials);
  const auto events = static_cast<double>(open_.events);
  const double rate = recent_trials_ > 0 ? recent_events_ / recent_trials_ : 0;
  const double expected = trials * rate;
  const bool known = recent_events_ >= kPastEvents;
  if (known ? expected < kExpected : events < kExpected) return;
  if (known && rate < 1) {
    // The rate itself is an estimate, of so many events.
    const double variance = expected * (1 - rate) + expected * expected / recent_events_;
    statistic_ += (events - expected) * (events - expected) / variance;
    cells_ += 1;
  }
  recent_trials_ = recent_trials_ * kKept + trials;
  recent_events_ = recent_events_ * kKept + events;
  open_ = {};
}

double TimeDispersion::factor() const {
  if (cells_ < 5) return 1;
  return std::max(1.0, statistic_ / cells_ - 3 * std::sqrt(2 / cells_));
}

void KeyDispersion::add(Arm arm, std::uint64_t number, bool before, bool event) {
  sizes_ += 2 * static_cast<double>(number) - 1;
  requests_ += 1;
  if (number > 1 && arm == Arm::kStable) pairs_[before ? 1 : 0][event ? 1 : 0] += 1;
}

double KeyDispersion::factor() const {
  if (requests_ == 0 || sizes_ == requests_) return 1;
  const double after_event = pairs_[1][0] + pairs_[1][1] + 1;
  const double events = pairs_[0][1] + pairs_[1][1] + 1;
  const double rate = events / (after_event + pairs_[0][0] + pairs_[0][1]);
  if (rate >= 1) return sizes_ / requests_;
  const double again = (pairs_[1][1] + 1) / after_event;
  const double alike = std::max(0.0, (again - rate) / (1 - rate));
  return 1 + alike * (sizes_ / requests_ - 1);
}

}  // namespace serin::rollout
