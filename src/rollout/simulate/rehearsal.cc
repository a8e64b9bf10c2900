// SPDX-License-Identifier: Apache-2.0
#include "rollout/simulate/rehearsal.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <thread>

namespace serin::rollout {
namespace {

double divergence(double p, double q) {
  double sum = 0;
  if (p > 0) sum += p * std::log(p / q);
  if (p < 1) sum += (1 - p) * std::log((1 - p) / (1 - q));
  return sum;
}

Run run_once(const Rehearsal& rehearsal, const RuleMaker& rule, int number) {
  Traffic traffic(rehearsal.world, rehearsal.seed + static_cast<std::uint64_t>(number));
  const auto history = traffic.history();
  const auto decides = rule(history);
  return simulate(*decides, rehearsal.world, traffic, rehearsal.horizon);
}

}  // namespace

Tally rehearse(const Rehearsal& rehearsal, const RuleMaker& rule) {
  std::vector<Run> runs(static_cast<std::size_t>(std::max(0, rehearsal.runs)));
  {
    const int count = std::max(1, rehearsal.threads);  // outlives the threads that read it
    std::vector<std::jthread> threads;
    for (int thread = 0; thread < count; ++thread) {
      threads.emplace_back([&, thread] {
        for (int i = thread; i < rehearsal.runs; i += count)
          runs[static_cast<std::size_t>(i)] = run_once(rehearsal, rule, i);
      });
    }
  }
  Tally tally;
  tally.runs = rehearsal.runs;
  for (const Run& run : runs) {
    tally.withdrawn += run.withdrawn ? 1 : 0;
    tally.bad.push_back(static_cast<double>(run.bad));
    if (run.ending == Ending::kRolledBack) {
      ++tally.rolled_back;
      tally.rolled_back_after.push_back(run.seconds);
      tally.rolled_back_requests.push_back(static_cast<double>(run.counted));
    } else if (run.ending == Ending::kPromoted) {
      ++tally.promoted;
      tally.promoted_after.push_back(run.seconds);
    }
  }
  for (auto* values :
       {&tally.rolled_back_after, &tally.promoted_after, &tally.rolled_back_requests, &tally.bad})
    std::ranges::sort(*values);
  return tally;
}

double sorted_quantile(const std::vector<double>& sorted, double q) {
  if (sorted.empty()) return std::numeric_limits<double>::quiet_NaN();
  const auto at = static_cast<std::size_t>(q * static_cast<double>(sorted.size()));
  return sorted[std::min(sorted.size() - 1, at)];
}

double mean_of(const std::vector<double>& values) {
  if (values.empty()) return std::numeric_limits<double>::quiet_NaN();
  return std::accumulate(values.begin(), values.end(), 0.0) / static_cast<double>(values.size());
}

double wald_requests(double stable, double candidate, double weight, double alpha) {
  if (candidate <= stable || weight <= 0 || weight >= 1)
    return std::numeric_limits<double>::infinity();
  const double middle = weight * candidate + (1 - weight) * stable;
  const double growth =
      weight * divergence(candidate, middle) + (1 - weight) * divergence(stable, middle);
  return std::log(1 / alpha) / growth;
}

}  // namespace serin::rollout
