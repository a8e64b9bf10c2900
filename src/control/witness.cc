// SPDX-License-Identifier: Apache-2.0
#include "control/witness.h"

#include <algorithm>
#include <utility>
#include <vector>

namespace serin::control {
namespace {

using rollout::Arm;

double seconds(Moment moment) {
  return std::chrono::duration<double>(moment.time_since_epoch()).count();
}

std::uint64_t crashes_of(const Seen& seen, const std::string& label) {
  const auto* version = seen.version(label);
  return version == nullptr ? 0 : version->crashes;
}

double replicas_of(const Seen& seen, const std::string& label) {
  const auto* version = seen.version(label);
  return version == nullptr ? 0 : static_cast<double>(version->replicas.size());
}

// In the order of the scorers; unset where one said nothing.
std::vector<std::optional<double>> scores_of(const platform::Evidence& evidence,
                                             const std::vector<std::string>& scorers) {
  std::vector<std::optional<double>> scores;
  scores.reserve(scorers.size());
  for (const std::string& scorer : scorers) {
    const auto found =
        std::ranges::find(evidence.scores, scorer, &std::pair<std::string, double>::first);
    scores.push_back(found == evidence.scores.end() ? std::nullopt : std::optional(found->second));
  }
  return scores;
}

// Whether the request is one that the rollout dealt: not one that the rollout before left under
// way.
bool is_of(const platform::Evidence& evidence, const ServiceRecord& record) {
  const rollout::Request& request = evidence.request;
  return (evidence.version == record.stable || evidence.version == record.rollout->candidate) &&
         request.weight > 0 && request.assigned >= seconds(record.rollout->began);
}

}  // namespace

Result<RolloutSpec> spec_of(const RolloutRecord& rollout) {
  SERIN_TRY_ASSIGN(Manifest manifest, read_manifest(rollout.manifest, "the rollout's manifest"));
  return std::move(manifest.rollout);
}

Status Witness::restore(const ServiceRecord& record) {
  if (!record.rollout || record.rollout->analysis.empty()) return {};
  const RolloutRecord& rollout = *record.rollout;
  if (rollout.running()) next_ = rollout.evidence_next;
  stable_crashes_ = rollout.stable_crashes;
  candidate_crashes_ = rollout.candidate_crashes;
  agreements_ = rollout::Agreements::load(rollout.agreements).value_or(rollout::Agreements());
  SERIN_TRY_ASSIGN(RolloutSpec spec, spec_of(rollout));
  scorers_ = std::move(spec.scorers);
  own_scorers_ = std::move(spec.own_scorers);
  auto loaded = rollout::Analysis::load(spec.analysis, rollout.analysis);
  if (loaded) {
    analysis_ = std::move(*loaded);
    return {};
  }
  if (rollout.running())
    analysis_.emplace(std::move(spec.analysis), std::vector<rollout::Request>());
  return fail(Code::kDataLoss, "the statistics of rollout " + std::to_string(rollout.number) +
                                   " begin anew: " + loaded.error().message);
}

Result<std::uint64_t> Witness::read(platform::Platform& platform, const ServiceRecord& record,
                                    const Seen& seen, Moment now) {
  if (!watches_since_) watches_since_ = now;
  std::uint64_t lost = 0;
  for (int page = 0; page < kPagesInAPass; ++page) {
    SERIN_TRY_ASSIGN(const auto found, platform.evidence(record.name, next_, kPage));
    lost += found.lost;
    for (const platform::Evidence& evidence : found.records) take(evidence, record, now);
    changed_ = changed_ || !found.records.empty();
    next_ = found.next;
    if (found.records.size() < kPage) break;
  }
  if (analysis_ && record.rolling()) {
    count_crashes(record, seen);
    analysis_->close_block(seconds(now));
  }
  return lost;
}

void Witness::take(const platform::Evidence& evidence, const ServiceRecord& record, Moment now) {
  if (evidence.late) return take_late(evidence, record);
  // What began while nobody watched is evidence, and not of now.
  if (evidence.request.assigned >= seconds(*watches_since_))
    recent_[evidence.version].add(now, evidence.request);
  const bool stable = evidence.version == record.stable;
  const bool of_rollout =
      analysis_ && record.rolling() && evidence.request.assigned >= seconds(record.rollout->began);
  if (of_rollout && evidence.compared) agreements_.add(*evidence.compared);
  // Until a rollout has a weight nothing is compared, and what the stable version does is history.
  if (!analysis_ || !record.rolling() || evidence.request.weight <= 0) {
    if (!stable) return;
    if (history_of_ != record.stable) history_.clear();
    history_of_ = record.stable;
    history_.push_back(evidence.request);
    if (history_.size() > kHistory) history_.pop_front();
    return;
  }
  if (!is_of(evidence, record)) return;
  rollout::Request request = evidence.request;
  request.arm = stable ? Arm::kStable : Arm::kCandidate;
  request.scores = scores_of(evidence, scorers_);
  analysis_->add(std::move(request));
}

void Witness::take_late(const platform::Evidence& evidence, const ServiceRecord& record) {
  if (!analysis_ || !record.rolling() || !is_of(evidence, record)) return;
  const Arm arm = evidence.version == record.stable ? Arm::kStable : Arm::kCandidate;
  const rollout::Request& request = evidence.request;
  for (const auto& [scorer, score] : evidence.scores) {
    if (scorer == kFeedback) {
      analysis_->add_rating(
          {.arm = arm, .weight = request.weight, .key = request.key, .score = score});
    }
    for (std::size_t i = 0; i < own_scorers_.size(); ++i) {
      if (own_scorers_[i].name == scorer)
        analysis_->add_late_score(
            i, {.arm = arm, .weight = request.weight, .key = request.key, .score = score});
    }
  }
}

void Witness::count_crashes(const ServiceRecord& record, const Seen& seen) {
  const double candidate = replicas_of(seen, record.rollout->candidate);
  const double all = candidate + replicas_of(seen, record.stable);
  if (all == 0) return;
  const auto count = [&](Arm arm, const std::string& label, std::uint64_t& counted) {
    const std::uint64_t crashes = crashes_of(seen, label);
    for (; counted < crashes; ++counted) {
      analysis_->add_crash(arm, candidate / all);
      changed_ = true;
    }
  };
  count(Arm::kStable, record.stable, stable_crashes_);
  count(Arm::kCandidate, record.rollout->candidate, candidate_crashes_);
}

Status Witness::begin(ServiceRecord& record, const Seen& seen) {
  SERIN_TRY_ASSIGN(RolloutSpec spec, spec_of(*record.rollout));
  const std::vector<rollout::Request> history(history_.begin(), history_.end());
  analysis_.emplace(std::move(spec.analysis), history);
  scorers_ = std::move(spec.scorers);
  own_scorers_ = std::move(spec.own_scorers);
  agreements_ = {};
  stable_crashes_ = crashes_of(seen, record.stable);
  candidate_crashes_ = crashes_of(seen, record.rollout->candidate);
  changed_ = true;
  save(record);
  return {};
}

bool Witness::save(ServiceRecord& record) {
  if (!analysis_ || !record.rollout || !std::exchange(changed_, false)) return false;
  record.rollout->analysis = analysis_->save();
  record.rollout->evidence_next = next_;
  record.rollout->stable_crashes = stable_crashes_;
  record.rollout->candidate_crashes = candidate_crashes_;
  if (record.rollout->strategy == Strategy::kShadow)
    record.rollout->agreements = agreements_.save();
  return true;
}

rollout::AnalysisReport Witness::verdicts() const {
  return analysis_ ? analysis_->verdicts() : rollout::AnalysisReport();
}
rollout::AnalysisReport Witness::report() const {
  return analysis_ ? analysis_->report() : rollout::AnalysisReport();
}

std::map<std::string, Lately> Witness::lately(Moment now) const {
  std::map<std::string, Lately> found;
  for (const auto& [label, recent] : recent_) {
    const Lately lately = recent.lately(now);
    if (lately.rate > 0) found.emplace(label, lately);
  }
  return found;
}

}  // namespace serin::control
