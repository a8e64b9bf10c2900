// SPDX-License-Identifier: Apache-2.0
#include "rollout/evidence.h"

#include <algorithm>
#include <cmath>

namespace serin::rollout {
namespace {

// Of the mixture of the two ways of counting.
constexpr double kByRate = 0.75;

// A run counts again when it is so many times as long as one of the stable arm's.
constexpr double kExcused = 10;
// A block in which one arm has no trial yet goes on for so many calls of close_block().
constexpr int kLongestBlock = 240;

}  // namespace

EventEvidence::EventEvidence(double harm_margin, double margin)
    : by_share_(harm_margin == 0), harm_(Side::kHarm, harm_margin), safe_(Side::kSafe, margin) {}

void EventEvidence::seed(Trials stable) {
  harm_.seed(stable);
  safe_.seed(stable);
}

void EventEvidence::add(const Unit& unit, bool harm_event, bool safe_event) {
  const bool stable = unit.arm == Arm::kStable;
  Run& run = runs_[unit.worker];
  const bool is_trial =
      run.length == 0 || static_cast<double>(run.uncounted) >= kExcused * stable_runs_.typical();
  if (is_trial && unit.first) harm_block_.trials[index(unit.arm)] += {1, harm_event ? 1U : 0U};
  if (is_trial && harm_event && !unit.had_event) share_.add(!stable, unit.weight);
  if (unit.first) safe_block_.trials[index(unit.arm)] += {1, safe_event ? 1U : 0U};

  if (harm_event) {
    ++run.length;
    run.uncounted = is_trial ? 1 : run.uncounted + 1;
  } else if (run.length > 0) {
    all_runs_.add_run(run.length);
    if (stable) stable_runs_.add_run(run.length);
    run = {};
  }
  all_runs_.add_trials(1);
  if (stable) stable_runs_.add_trials(1);
}

void EventEvidence::close_block() {
  const auto close = [](PairBlock& block, RateTest& test, TimeDispersion& dispersion) {
    const auto& [stable, candidate] = block.trials;
    const bool both = stable.trials > 0 && candidate.trials > 0;
    if (!both && ++block.calls < kLongestBlock) return;
    dispersion.add_block(stable);
    test.add_block(stable, candidate);
    block = {};
  };
  close(harm_block_, harm_, onsets_);
  close(safe_block_, safe_, events_);
}

Evidence EventEvidence::evidence() const {
  const double harm =
      by_share_ ? log_mixture(harm_.log_e(), share_.log_e(), kByRate) : harm_.log_e();
  const double onsets = onsets_.factor();
  const double events = std::max(all_runs_.factor(), events_.factor());
  return {.harm = harm / onsets,
          .safe = safe_.log_e() / events,
          .harm_dispersion = onsets,
          .safe_dispersion = events};
}

void ScoreEvidence::add(const Unit& unit, double score) {
  if (unit.first) block_[index(unit.arm)].push_back(score);
}

void ScoreEvidence::close_block() {
  harm_.add_block(block_[index(Arm::kStable)], block_[index(Arm::kCandidate)]);
  safe_.add_block(block_[index(Arm::kStable)], block_[index(Arm::kCandidate)]);
  block_ = {};
}

}  // namespace serin::rollout
