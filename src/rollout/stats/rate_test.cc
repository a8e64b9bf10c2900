// SPDX-License-Identifier: Apache-2.0
#include "rollout/stats/rate_test.h"

#include <algorithm>
#include <cmath>

namespace serin::rollout {
namespace {

// The candidate's guessed rate, in times of the border of the null.
constexpr double kWorse[] = {1.25, 1.5, 2, 3, 5, 10, 30, 100};
constexpr double kBetter[] = {0.95, 0.9, 0.8, 0.65, 0.5, 0.35, 0.2, 0.1, 0.02};
constexpr double kHighestGuess = 0.95;
constexpr double kLowest = 1e-9;  // guesses stay inside (0, 1), so that every ratio is finite

double log_likelihood(Trials seen, double rate) {
  const auto events = static_cast<double>(seen.events);
  const auto others = static_cast<double>(seen.trials - seen.events);
  return events * std::log(rate) + others * std::log1p(-rate);
}

}  // namespace

double project(double s, double n0, double c, double n1, double margin) {
  if (margin == 0) return (n0 * s + n1 * c) / (n0 + n1);
  // The derivative along the border rises from minus to plus infinity, and is zero between the two
  // points where one of the terms is.
  const double low_end = std::max(kLowest, kLowest - margin);
  const double high_end = std::min(1 - kLowest, 1 - kLowest - margin);
  double low = std::clamp(std::min(s, c - margin), low_end, high_end);
  double high = std::clamp(std::max(s, c - margin), low_end, high_end);
  for (int i = 0; i < 60 && high - low > 1e-12 * high; ++i) {
    const double a = (low + high) / 2;
    const double b = a + margin;
    const double slope = n0 * (a - s) * b * (1 - b) + n1 * (b - c) * a * (1 - a);
    (slope < 0 ? low : high) = a;
  }
  return (low + high) / 2;
}

RateTest::RateTest(Side side, double margin) : margin_(margin) {
  if (side == Side::kHarm) {
    ratios_.assign(std::begin(kWorse), std::end(kWorse));
  } else {
    ratios_.assign(std::begin(kBetter), std::end(kBetter));
  }
  log_e_.assign(ratios_.size(), 0.0);
}

void RateTest::seed(Trials stable) { past_ += stable; }

void RateTest::add_block(Trials stable, Trials candidate) {
  if (stable.trials > 0 && candidate.trials > 0) {
    const auto n0 = static_cast<double>(stable.trials);
    const auto n1 = static_cast<double>(candidate.trials);
    const double s = std::min(
        (static_cast<double>(past_.events) + 0.5) / (static_cast<double>(past_.trials) + 1.0),
        kHighestGuess - margin_);
    for (std::size_t i = 0; i < ratios_.size(); ++i) {
      const double c = std::clamp((s + margin_) * ratios_[i], kLowest, (1 + kHighestGuess) / 2);
      const double at = project(s, n0, c, n1, margin_);
      log_e_[i] += log_likelihood(stable, s) + log_likelihood(candidate, c) -
                   log_likelihood(stable, at) - log_likelihood(candidate, at + margin_);
    }
  }
  past_ += stable;
}

double RateTest::log_e() const { return log_mixture(log_e_); }

}  // namespace serin::rollout
