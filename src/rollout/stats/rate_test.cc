// SPDX-License-Identifier: Apache-2.0
#include "rollout/stats/rate_test.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <utility>

namespace serin::rollout {
namespace {

struct Guess {
  double ratio;   // the candidate's rate, in times of the border of the null
  double weight;  // in the mixture: the sum of all is 1
};
constexpr std::array<Guess, 9> kWorse{{{1.25, 0.05},
                                       {1.5, 0.07},
                                       {2, 0.10},
                                       {3, 0.14},
                                       {5, 0.18},
                                       {10, 0.14},
                                       {30, 0.12},
                                       {100, 0.10},
                                       {300, 0.10}}};
constexpr std::array<Guess, 9> kBetter{{{0.95, 0.06},
                                        {0.9, 0.10},
                                        {0.8, 0.16},
                                        {0.65, 0.18},
                                        {0.5, 0.16},
                                        {0.35, 0.13},
                                        {0.2, 0.10},
                                        {0.1, 0.07},
                                        {0.02, 0.04}}};
constexpr double kHighestGuess = 0.95;
constexpr double kLowest = 1e-9;  // guesses stay inside (0, 1), so that every ratio is finite

std::array<double, 9> logs_of_weights(const std::array<Guess, 9>& guesses) {
  std::array<double, 9> logs{};
  for (std::size_t i = 0; i < guesses.size(); ++i) logs[i] = std::log(guesses[i].weight);
  return logs;
}

const std::array<double, 9>& log_weights(Side side) {
  static const auto kHarm = logs_of_weights(kWorse);
  static const auto kSafe = logs_of_weights(kBetter);
  return side == Side::kHarm ? kHarm : kSafe;
}

// log of the likelihood ratio of rates p and q for so many events and others.
double log_ratio(double events, double others, double p, double q) {
  return events * std::log(p / q) + others * std::log((1 - p) / (1 - q));
}

}  // namespace

double project(double s, double n0, double c, double n1, double margin) {
  if (margin == 0) return (n0 * s + n1 * c) / (n0 + n1);
  // The derivative along the border rises from minus to plus infinity, and is zero between the two
  // points where one of the terms is. Newton's steps, kept between them.
  const double low_end = std::max(kLowest, kLowest - margin);
  const double high_end = std::min(1 - kLowest, 1 - kLowest - margin);
  double low = std::clamp(std::min(s, c - margin), low_end, high_end);
  double high = std::clamp(std::max(s, c - margin), low_end, high_end);
  double a = (n0 * low + n1 * high) / (n0 + n1);
  for (int i = 0; i < 100 && high - low > 1e-14 * high; ++i) {
    const double b = a + margin;
    const double slope = n0 * (a - s) * b * (1 - b) + n1 * (b - c) * a * (1 - a);
    const double bend =
        n0 * (b * (1 - b) + (a - s) * (1 - 2 * b)) + n1 * (a * (1 - a) + (b - c) * (1 - 2 * a));
    (slope < 0 ? low : high) = a;
    double next = a - slope / bend;
    if (!(next > low && next < high)) next = (low + high) / 2;
    const bool still = std::abs(next - a) <= 1e-14 * a;
    a = next;
    if (still) break;
  }
  return a;
}

void RateTest::seed(Trials stable) { past_ += stable; }

double RateTest::stable_guess() const {
  return std::min(
      (static_cast<double>(past_.events) + 0.5) / (static_cast<double>(past_.trials) + 1.0),
      kHighestGuess - margin_);
}

double RateTest::candidate_guess(std::size_t i, double stable) const {
  const double ratio = (side_ == Side::kHarm ? kWorse : kBetter)[i].ratio;
  return std::clamp((stable + margin_) * ratio, kLowest, (1 + kHighestGuess) / 2);
}

void RateTest::add_block(Trials stable, Trials candidate) {
  if (stable.trials > 0 && candidate.trials > 0) {
    const auto n0 = static_cast<double>(stable.trials);
    const auto n1 = static_cast<double>(candidate.trials);
    const auto k0 = static_cast<double>(stable.events);
    const auto k1 = static_cast<double>(candidate.events);
    const double s = stable_guess();
    for (std::size_t i = 0; i < kGuesses; ++i) {
      const double c = candidate_guess(i, s);
      const double at = project(s, n0, c, n1, margin_);
      log_e_[i] += log_ratio(k0, n0 - k0, s, at) + log_ratio(k1, n1 - k1, c, at + margin_);
    }
    total_ = log_mixture(log_e_, log_weights(side_));
  }
  past_ += stable;
}

double RateTest::expected_trials(double stable, double candidate, double weight,
                                 double threshold) const {
  if (log_e() >= threshold) return 0;
  if (weight <= 0 || weight >= 1) return std::numeric_limits<double>::infinity();
  Values growth{};  // of each guess, a trial
  const double s = stable_guess();
  for (std::size_t i = 0; i < kGuesses; ++i) {
    const double c = candidate_guess(i, s);
    const double at = project(s, 1 - weight, c, weight, margin_);
    growth[i] = (1 - weight) * log_ratio(stable, 1 - stable, s, at) +
                weight * log_ratio(candidate, 1 - candidate, c, at + margin_);
  }
  const auto reached = [&](double trials) {
    Values later = log_e_;
    for (std::size_t i = 0; i < kGuesses; ++i) later[i] += trials * growth[i];
    return log_mixture(later, log_weights(side_)) >= threshold;
  };
  double most = 1;
  while (most <= kMostExpected && !reached(most)) most *= 2;
  if (most > kMostExpected) return std::numeric_limits<double>::infinity();
  double least = most / 2;
  for (int i = 0; i < 30; ++i) {
    const double middle = (least + most) / 2;
    (reached(middle) ? most : least) = middle;
  }
  return most;
}

}  // namespace serin::rollout
