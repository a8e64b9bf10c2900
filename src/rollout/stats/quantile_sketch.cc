// SPDX-License-Identifier: Apache-2.0
#include "rollout/stats/quantile_sketch.h"

#include <cmath>

namespace serin::rollout {
namespace {

const double kStep = std::log(1.02);

}  // namespace

void QuantileSketch::add(double value) {
  // Written so that a value that is not a number is the greatest.
  const double bounded = value <= kLeast ? kLeast : value < kMost ? value : kMost;
  const auto bucket = static_cast<std::size_t>(std::log(bounded / kLeast) / kStep);
  if (bucket >= buckets_.size()) buckets_.resize(bucket + 1);
  ++buckets_[bucket];
  ++count_;
}

double QuantileSketch::quantile(double q) const {
  if (count_ == 0) return 0;
  const double wanted = q * static_cast<double>(count_);
  std::uint64_t below = 0;
  std::size_t bucket = 0;
  while (bucket + 1 < buckets_.size()) {
    below += buckets_[bucket];
    if (static_cast<double>(below) >= wanted) break;
    ++bucket;
  }
  return kLeast * std::exp((static_cast<double>(bucket) + 0.5) * kStep);
}

}  // namespace serin::rollout
