// SPDX-License-Identifier: Apache-2.0
// Times of the recent past, of which quantiles are asked: counts in buckets that grow by a tenth,
// so a quantile is within 5 % of the true one. One thread; no time is read.
#pragma once

#include <array>
#include <cstddef>

#include "base/clock.h"

namespace serin::gateway {

class RecentTimes {
 public:
  // Once so many are held, what is there counts half: older times are forgotten by and by.
  explicit RecentTimes(double most = 1000) : most_(most) {}

  void add(Duration time);  // below 100 µs and above 15 minutes count as that
  void clear();
  double count() const { return total_; }
  // The time that a share `q` of them does not exceed; zero when there are none.
  Duration quantile(double q) const;

 private:
  static constexpr std::size_t kBuckets = 169;

  double most_;
  double total_ = 0;
  std::array<float, kBuckets> counts_{};
};

}  // namespace serin::gateway
