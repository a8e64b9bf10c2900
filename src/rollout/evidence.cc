// SPDX-License-Identifier: Apache-2.0
#include "rollout/evidence.h"

#include <algorithm>
#include <cmath>

namespace serin::rollout {
namespace {

// Of the mixture of the two ways of counting harm.
constexpr double kByRate = 0.75;
// Of the mixture of first requests and repeated ones.
constexpr double kByFirst = 0.5;
// A run counts again when it is so many times as long as one of the stable arm's.
constexpr double kExcused = 10;
// To be safe is no matter of seconds: its blocks are of so many calls at least.
constexpr std::uint32_t kSafeBlock = 4;

}  // namespace

EventEvidence::EventEvidence(Kind kind, double harm_margin, double margin)
    : kind_(kind),
      by_share_(harm_margin == 0),
      harm_{.test = {Side::kHarm, harm_margin}},
      safe_{.test = {Side::kSafe, margin}},
      safe_repeated_(safe_) {}

bool EventEvidence::follow(const Unit& unit, bool event) {
  if (kind_ == Kind::kSlow) return true;
  const bool stable = unit.arm == Arm::kStable;
  if (unit.worker >= runs_.size()) runs_.resize(unit.worker + 1);
  Run& run = runs_[unit.worker];
  if (unit.new_worker) run = {};
  const bool is_trial =
      run.length == 0 || static_cast<double>(run.uncounted) >= kExcused * stable_runs_.typical();
  if (event) {
    ++run.length;
    run.uncounted = is_trial ? 1 : run.uncounted + 1;
  } else if (run.length > 0) {
    all_runs_.add_run(run.length);
    if (stable) stable_runs_.add_run(run.length);
    run = {};
  }
  all_runs_.add_trials(1);
  if (stable) stable_runs_.add_trials(1);
  return is_trial;
}

void EventEvidence::seed(const Unit& unit, bool event) {
  const Trials trial{1, event ? 1U : 0U};
  if (follow(unit, event)) harm_.test.seed(trial);
  safe_.test.seed(trial);
}

void EventEvidence::add(const Unit& unit, bool harm_event, bool safe_event) {
  const bool candidate = unit.arm == Arm::kCandidate;
  const bool is_trial = follow(unit, harm_event);
  const Trials trial{1, safe_event ? 1U : 0U};
  if (is_trial && unit.first) harm_.trials[index(unit.arm)] += {1, harm_event ? 1U : 0U};
  if (is_trial && harm_event && !unit.had_event) share_.add(candidate, unit.weight);
  if (unit.number > 1 && !repeats_) {
    repeats_ = true;
    safe_repeated_ = safe_;
  }
  if (unit.first) safe_.trials[index(unit.arm)] += trial;
  if (unit.number > kMostOfKey) return;
  if (repeats_) safe_repeated_.trials[index(unit.arm)] += trial;
  keys_.add(unit.arm, unit.number, unit.before, harm_event);
}

bool EventEvidence::Blocks::close(std::uint32_t least, TimeDispersion* dispersion) {
  const auto& [stable, candidate] = trials;
  const bool both = stable.trials > 0 && candidate.trials > 0;
  ++calls;
  if (calls < (both ? least : kLongestBlock)) return false;
  if (dispersion != nullptr) dispersion->add_block(stable);
  test.add_block(stable, candidate);
  trials = {};
  calls = 0;
  return true;
}

void EventEvidence::close_block() {
  harm_.close(1, &onsets_);
  safe_.close(kSafeBlock, repeats_ ? nullptr : &events_);
  if (repeats_) safe_repeated_.close(kSafeBlock, &events_);
}

double EventEvidence::burstiness(const RunLengths& runs) const {
  return kind_ == Kind::kSlow ? events_.factor() : std::max(runs.factor(), events_.factor());
}

Evidence EventEvidence::evidence() const {
  const double by_rate = harm_.test.log_e();
  const double harm = by_share_ ? log_mixture(by_rate, share_.log_e(), kByRate) : by_rate;
  const double onsets = onsets_.factor();
  const double events = burstiness(all_runs_);
  double safe = safe_.test.log_e() / events;
  if (repeats_) {
    // What bursts and what users add to the variance is added.
    const double repeated = safe_repeated_.test.log_e() / (events + keys_.factor() - 1);
    safe = log_mixture(safe, repeated, kByFirst);
  }
  return {.harm = harm / onsets,
          .safe = safe,
          .harm_dispersion = onsets,
          .safe_dispersion = events,
          .stable_dispersion = std::max(onsets, burstiness(stable_runs_))};
}

double EventEvidence::expected_until_harmful(Rates rates, double weight, double threshold) const {
  const double by_share = by_share_ ? -std::log(kByRate) : 0;
  return harm_.test.expected_trials(rates.stable, rates.candidate, weight,
                                    threshold * onsets_.factor() + by_share);
}

double EventEvidence::expected_until_safe(Rates rates, double weight, double threshold) const {
  const double events = burstiness(all_runs_);
  if (!repeats_)
    return safe_.test.expected_trials(rates.stable, rates.candidate, weight, threshold * events);
  return safe_repeated_.test.expected_trials(
      rates.stable, rates.candidate, weight,
      (threshold - std::log(kByFirst)) * (events + keys_.factor() - 1));
}

ScoreEvidence::ScoreEvidence(double harm_margin, double margin)
    : first_{.harm = {Side::kHarm, harm_margin}, .safe = {Side::kSafe, margin}},
      repeated_(first_) {}

void ScoreEvidence::add(const Unit& unit, double score, bool low) {
  if (unit.number > 1 && !repeats_) {
    repeats_ = true;
    repeated_ = first_;
  }
  if (unit.first) first_.scores[index(unit.arm)].push_back(score);
  if (unit.number > kMostOfKey) return;
  if (repeats_) repeated_.scores[index(unit.arm)].push_back(score);
  keys_.add(unit.arm, unit.number, unit.before, low);
}

void ScoreEvidence::Blocks::close(std::uint32_t longest) {
  const bool both = !scores[0].empty() && !scores[1].empty();
  if (!both && ++calls < longest) return;
  harm.add_block(scores[index(Arm::kStable)], scores[index(Arm::kCandidate)]);
  safe.add_block(scores[index(Arm::kStable)], scores[index(Arm::kCandidate)]);
  for (auto& arm : scores) arm.clear();
  calls = 0;
}

void ScoreEvidence::close_block(std::uint32_t longest) {
  first_.close(longest);
  if (repeats_) repeated_.close(longest);
}

Evidence ScoreEvidence::evidence() const {
  Evidence evidence{.harm = first_.harm.log_e(), .safe = first_.safe.log_e()};
  if (repeats_) {
    evidence.harm = log_mixture(evidence.harm, repeated_.harm.log_e() / alike(), kByFirst);
    evidence.safe = log_mixture(evidence.safe, repeated_.safe.log_e() / alike(), kByFirst);
  }
  return evidence;
}

double ScoreEvidence::expected_until_harmful(double threshold) const {
  if (!repeats_) return first_.harm.expected_groups(threshold);
  return repeated_.harm.expected_groups((threshold - std::log(kByFirst)) * alike());
}

double ScoreEvidence::expected_until_safe(double threshold) const {
  if (!repeats_) return first_.safe.expected_groups(threshold);
  return repeated_.safe.expected_groups((threshold - std::log(kByFirst)) * alike());
}

}  // namespace serin::rollout
