// SPDX-License-Identifier: Apache-2.0
#include "rollout/stats/mean_test.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

namespace serin::rollout {
namespace {

constexpr double kMostStaked = 0.75;  // of what the capital bears at the worst outcome

// The mean of part `i` of `parts` equal parts.
double part_mean(std::span<const double> values, std::size_t i, std::size_t parts) {
  const std::size_t from = values.size() * i / parts;
  const std::size_t to = values.size() * (i + 1) / parts;
  const auto part = values.subspan(from, to - from);
  return std::accumulate(part.begin(), part.end(), 0.0) / static_cast<double>(part.size());
}

}  // namespace

void MeanTest::add_block(std::span<const double> stable, std::span<const double> candidate) {
  const std::size_t groups = std::min(stable.size(), candidate.size());
  for (std::size_t i = 0; i < groups; ++i)
    bet(part_mean(stable, i, groups) - part_mean(candidate, i, groups));
}

void MeanTest::bet(double difference) {
  // Under the null the gain's mean is at most 0; it lies in [-worst, 2].
  const double gain = side_ == Side::kHarm ? difference - margin_ : margin_ - difference;
  const double worst = side_ == Side::kHarm ? 1 + margin_ : 1 - margin_;
  // The stake that grows the capital most, by the mean and the variance of the gains so far (as if
  // a few had been nought), and never so much that one bet could lose it.
  const double stake = std::clamp(mean() / second_moment(), 0.0, kMostStaked / worst);
  log_capital_ += std::log1p(stake * gain);
  count_ += 1;
  sum_ += gain;
  squares_ += gain * gain;
}

double MeanTest::expected_groups(double threshold) const {
  if (log_capital_ >= threshold) return 0;
  if (mean() <= 0) return std::numeric_limits<double>::infinity();
  // What the best stake gains, to second order.
  return (threshold - log_capital_) * 2 * second_moment() / (mean() * mean());
}

}  // namespace serin::rollout
