// SPDX-License-Identifier: Apache-2.0
// Is the candidate's rate of events worse than the stable version's? The exact two-sample
// e-process for Bernoulli trials of Turner, Ly and Grünwald ("Generic E-Variables for Exact
// Sequential k-Sample Tests that allow for Optional Stopping", Journal of Statistical Planning and
// Inference 230, 2024), for the null hypotheses "candidate <= stable + margin" and "candidate >=
// stable + margin".
//
// A block holds n0 trials of the stable and n1 of the candidate arm. Before it is seen, rates
// (s, c) of an alternative are guessed; the e-value is the likelihood ratio of (s, c) and of its
// projection (s*, c*) onto the border of the null, c* = s* + margin, which minimises
// n0 KL(s, s*) + n1 KL(c, c*). Why its expectation is at most 1 under the null, whatever the rates
// of this block are: with f(p) = p s/s* + (1-p)(1-s)/(1-s*) and g alike, the expectation is
// f(p)^n0 g(q)^n1, which the inequality of the means bounds by ((n0 f + n1 g)/n)^n, and at the
// projection n0 f + n1 g = n + A (p - q + margin), where A has the sign that makes the last term
// at most 0 under the null. So the rates may drift from block to block as they like, together.
//
// What a block's size depends on may be anything but the events in it.
#pragma once

#include <array>
#include <span>

#include "rollout/stats/e_process.h"

namespace serin::rollout {

class RateTest {
 public:
  // `margin` is in rates, 0 to 1.
  RateTest(Side side, double margin) : side_(side), margin_(margin) {}

  // Past trials of the stable arm; they guide the guesses, and prove nothing.
  void seed(Trials stable);
  // A block of which one arm is empty proves nothing either.
  void add_block(Trials stable, Trials candidate);
  double log_e() const { return total_; }

  // How many more trials, of which the candidate has the part `weight`, until log_e() reaches
  // `threshold` if the rates are and stay these: along the mean path. Infinite when never, or when
  // it takes more than kMostExpected.
  double expected_trials(double stable, double candidate, double weight, double threshold) const;
  static constexpr double kMostExpected = 1e12;

  template <class Self, class Archive>
  static void fields(Self& self, Archive& archive) {
    archive(self.past_, self.log_e_, self.total_);
  }

 private:
  static constexpr std::size_t kGuesses = 9;
  using Values = std::array<double, kGuesses>;

  double stable_guess() const;
  double candidate_guess(std::size_t i, double stable) const;

  Side side_;
  double margin_;
  Trials past_;       // of the stable arm
  Values log_e_{};    // one a guess
  double total_ = 0;  // of their mixture
};

// The border point of rate_test.h for guesses s and c: s*, with c* = s* + margin. Both c* and s*
// lie strictly between 0 and 1 when s and c do.
double project(double s, double n0, double c, double n1, double margin);

}  // namespace serin::rollout
