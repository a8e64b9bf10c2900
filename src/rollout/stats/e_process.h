// SPDX-License-Identifier: Apache-2.0
// What the sequential tests here share. An e-process starts at 1 and its expectation is at most 1
// at every time at which one may choose to look, as long as the null hypothesis holds. So (Ville)
// it ever reaches 1/alpha with a probability of at most alpha, however often one looks. All values
// are logarithms. Everything in stats/ is a pure calculation: no clock, no lock, one thread.
#pragma once

#include <cstdint>
#include <span>

namespace serin::rollout {

// What a test tries to reject.
enum class Side : std::uint8_t {
  kHarm,  // "the candidate is worse by at most the margin": rejected means harmful
  kSafe,  // "the candidate is worse by the margin or more": rejected means safe
};

// Bernoulli trials of one arm: requests, and those of them that failed (or were slow).
struct Trials {
  std::uint64_t trials = 0;
  std::uint64_t events = 0;

  template <class Self, class Archive>
  static void fields(Self& self, Archive& archive) {
    archive(self.trials, self.events);
  }
  Trials& operator+=(const Trials& other) {
    trials += other.trials;
    events += other.events;
    return *this;
  }
};

// log of the mean of exp(values), of at least one; no overflow. A mixture of e-processes with
// weights fixed beforehand is one, however they depend on each other.
double log_mixture(std::span<const double> values);
// The same with weights that sum to one, one each, as logarithms.
double log_mixture(std::span<const double> values, std::span<const double> log_weights);
// The same of two, of which the first has `weight`, of (0, 1).
double log_mixture(double first, double second, double weight);

}  // namespace serin::rollout
