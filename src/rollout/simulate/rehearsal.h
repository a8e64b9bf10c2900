// SPDX-License-Identifier: Apache-2.0
// Many rollouts of one rule in one world, and what came of them.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <vector>

#include "rollout/simulate/simulation.h"
#include "rollout/stats/interval.h"

namespace serin::rollout {

// Makes the rule for one rollout, from the requests before it.
using RuleMaker = std::function<std::unique_ptr<Rule>(std::span<const Request> history)>;

struct Rehearsal {
  World world{};
  double horizon = 3600;  // seconds; undecided after that
  int runs = 1000;
  std::uint64_t seed = 1;  // of the first; the next has the next
  int threads = 1;
};

struct Tally {
  int runs = 0;
  int rolled_back = 0;
  int promoted = 0;
  int withdrawn = 0;
  // Sorted, of the runs that ended so.
  std::vector<double> rolled_back_after;  // seconds
  std::vector<double> promoted_after;
  std::vector<double> rolled_back_requests;
  std::vector<double> bad;  // failed answers of the candidate, of every run
};
// The same for every number of threads.
Tally rehearse(const Rehearsal& rehearsal, const RuleMaker& rule);

// The part `q` of sorted values; not a number when there are none.
double sorted_quantile(const std::vector<double>& sorted, double q);
double mean_of(const std::vector<double>& values);  // not a number when there are none

// The limit: how many requests Wald's test needs on average to tell a candidate with this rate of
// failures from an equal one, when it has the part `weight` of the requests and is wrongly blamed
// with a probability of `alpha`; ln(1 / alpha) / g, g the growth of the best test (Kelly). Infinite
// where the candidate is no worse.
double wald_requests(double stable, double candidate, double weight, double alpha);

}  // namespace serin::rollout
