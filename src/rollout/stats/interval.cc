// SPDX-License-Identifier: Apache-2.0
#include "rollout/stats/interval.h"

#include <algorithm>
#include <cmath>
#include <limits>

namespace serin::rollout {
namespace {

constexpr Interval kEverything{-std::numeric_limits<double>::infinity(),
                               std::numeric_limits<double>::infinity()};
constexpr double kTunedCount = 1000;  // observations at which intervals are tightest

// The ratio of the mixture's variance to the estimate's at which the width is least, about.
double best_ratio(double alpha) {
  const double twice = 2 * std::log(1 / alpha);
  return twice + std::log(1 + twice);
}

}  // namespace

double half_width(double now, double tuned, double alpha) {
  const double ratio = now / (tuned * best_ratio(alpha));
  return std::sqrt(now * (1 + ratio) * (std::log1p(1 / ratio) + 2 * std::log(1 / alpha)));
}

Interval around(const Estimate& estimate, double alpha) {
  if (estimate.count == 0) return kEverything;
  const double half =
      half_width(estimate.variance / estimate.count, estimate.variance / kTunedCount, alpha);
  return {estimate.mean - half, estimate.mean + half};
}

Interval difference(const Estimate& first, const Estimate& second, double alpha) {
  if (first.count == 0 || second.count == 0) return kEverything;
  const double now = first.variance / first.count + second.variance / second.count;
  const double middle = second.mean - first.mean;
  if (now <= 0) return {middle, middle};
  const double half =
      half_width(now, std::max(first.variance, second.variance) / kTunedCount, alpha);
  return {middle - half, middle + half};
}

Interval wilson(double events, double count) {
  if (count <= 0) return {0, 1};
  constexpr double kZ = 1.959964;
  const double rate = events / count;
  const double scale = 1 / (1 + kZ * kZ / count);
  const double middle = scale * (rate + kZ * kZ / (2 * count));
  const double half =
      scale * kZ * std::sqrt(rate * (1 - rate) / count + kZ * kZ / (4 * count * count));
  return {std::max(0.0, middle - half), std::min(1.0, middle + half)};
}

Interval quantile_levels(double q, double count, double alpha) {
  if (count == 0) return {0, 1};
  const double variance = q * (1 - q);
  const double half = half_width(variance / count, variance / kTunedCount, alpha);
  return {std::max(0.0, q - half), std::min(1.0, q + half)};
}

}  // namespace serin::rollout
