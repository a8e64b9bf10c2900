// SPDX-License-Identifier: Apache-2.0
#include "gateway/policy/recent_times.h"

#include <algorithm>
#include <cmath>

#include "gateway/policy/seconds.h"

namespace serin::gateway {
namespace {

constexpr double kLow = 1e-4;
constexpr double kGrowth = 1.1;

}  // namespace

void RecentTimes::add(Duration time) {
  const double place = std::log(std::max(to_seconds(time), kLow) / kLow) / std::log(kGrowth);
  counts_[static_cast<std::size_t>(std::min(place, kBuckets - 1.0))] += 1;
  total_ += 1;
  if (total_ < most_) return;
  for (float& count : counts_) count /= 2;
  total_ /= 2;
}

void RecentTimes::clear() {
  counts_.fill(0);
  total_ = 0;
}

Duration RecentTimes::quantile(double q) const {
  if (total_ <= 0) return {};
  const double wanted = q * total_;
  double below = 0;
  std::size_t bucket = 0;
  while (bucket + 1 < kBuckets && below + counts_[bucket] < wanted) below += counts_[bucket++];
  return from_seconds(kLow * std::pow(kGrowth, static_cast<double>(bucket) + 0.5));
}

}  // namespace serin::gateway
