// SPDX-License-Identifier: Apache-2.0
#include "rollout/analysis.h"

#include <algorithm>
#include <cmath>

#include "base/check.h"
#include "rollout/metric_kind.h"

namespace serin::rollout {
namespace {

// So many stable requests before the stable arm's quantile is known well enough to be a threshold,
// and it is looked up again when there are so many times as many.
constexpr std::uint64_t kKnownQuantile = 100;
constexpr double kThresholdGrowth = 1.02;
// With 1 in so many rollouts the split is called wrong when it is right.
constexpr double kSplitAlpha = 0.001;
// Events that vary so many times as much as independent ones are not understood. Bursts of five on
// average vary nine times as much, and bench/verdicts finds the rates kept there.
constexpr double kMostDispersion = 15;
constexpr double kPaceSeconds = 60;

// A metric's parts of falseRollback.
double parts_of(const MetricSpec& spec) { return spec.kind == MetricKind::kErrorRate ? 3 : 1; }

}  // namespace

Analysis::Tests Analysis::tests_of(const MetricSpec& spec) {
  if (spec.kind == MetricKind::kCrashes) return ShareTest(ShareTest::Null::kNoMore);
  if (spec.kind == MetricKind::kScore) return ScoreEvidence(spec.harm_margin, spec.margin);
  if (spec.kind == MetricKind::kRating)
    return LateScoreEvidence(LateScoreEvidence::By::kUsers, spec.harm_margin, spec.margin);
  if (spec.kind == MetricKind::kLateScore)
    return LateScoreEvidence(LateScoreEvidence::By::kScorer, spec.harm_margin, spec.margin);
  if (is_time(spec.kind)) return EventEvidence(EventEvidence::Kind::kSlow, 0, 0);
  return EventEvidence(EventEvidence::Kind::kFailures, spec.harm_margin, spec.margin);
}

Analysis::Analysis(AnalysisSpec spec, std::span<const Request> history)
    : spec_(std::move(spec)), split_(spec_.deadline) {
  SERIN_CHECK(spec_.metrics.size() <= 32);  // a bit each in KeyTable
  double parts = 0;
  for (const MetricSpec& metric : spec_.metrics) parts += parts_of(metric);
  for (const MetricSpec& metric : spec_.metrics) {
    metrics_.push_back({.spec = metric,
                        .evidence = tests_of(metric),
                        .harm_threshold = std::log(parts / parts_of(metric) / spec_.false_rollback),
                        .safe_threshold = std::log(1 / spec_.false_promotion),
                        .sketches = {}});
  }
  for (Metric& metric : metrics_) seed(metric, history);
}

void Analysis::seed(Metric& metric, std::span<const Request> history) {
  const bool times = is_time(metric.spec.kind);
  if (!times && metric.spec.kind != MetricKind::kErrorRate) return;
  for (const Request& request : history) {
    const auto time = time_of(metric.spec.kind, request);
    if (request.outcome != Outcome::kCensored && time)
      metric.sketches[index(Arm::kStable)].add(*time);
  }
  set_threshold(metric);
  if (times && metric.threshold == 0) return;
  WorkerTable workers;
  for (const Request& request : history) {
    const auto time = time_of(metric.spec.kind, request);
    if (request.outcome == Outcome::kCensored || (times && !time)) continue;
    const WorkerTable::Place place = workers.see(request.worker);
    const bool event = times ? *time > metric.threshold : request.outcome == Outcome::kFailed;
    std::get<EventEvidence>(metric.evidence)
        .seed({.worker = place.index, .new_worker = place.is_new}, event);
  }
}

void Analysis::add(Request request) {
  if (waiting_.size() >= kMostWaiting) settle(std::numeric_limits<double>::infinity());
  waiting_.push_back(std::move(request));
}

void Analysis::count(const Request& request) {
  const bool own_key = request.key == Request::kOwnKey;
  KeyTable::Seen own{.number = 1};
  const KeyTable::Key known =
      own_key ? KeyTable::Key{.seen = &own, .first = true} : keys_.see(request.key, request.arm);
  if (known.seen == nullptr) return;
  ++requests_;
  weight_ = request.weight;
  if (known.first) split_.add(request.arm, request.weight, request.assigned);
  if (request.outcome == Outcome::kCensored) {
    ++censored_;
    return;
  }
  const WorkerTable::Place place = workers_.see(request.worker);
  const bool warm = place.requests > spec_.warmup_requests;
  std::uint32_t bit = 1;
  std::size_t score = 0;
  for (Metric& metric : metrics_) {
    const Unit unit{.arm = request.arm,
                    .weight = request.weight,
                    .worker = place.index,
                    .new_worker = place.is_new,
                    .first = known.first,
                    .had_event = (known.seen->had & bit) != 0,
                    .number = known.seen->number,
                    .before = (known.seen->last & bit) != 0};
    const std::size_t at = metric.spec.kind == MetricKind::kScore ? score++ : 0;
    const bool event = add_to(metric, request, unit, at, warm);
    if (event) known.seen->had |= bit;
    known.seen->last = event ? known.seen->last | bit : known.seen->last & ~bit;
    bit <<= 1;
  }
}

bool Analysis::add_to(Metric& metric, const Request& request, const Unit& unit, std::size_t score,
                      bool warm) {
  Totals& totals = metric.totals[index(request.arm)];
  if (metric.spec.kind == MetricKind::kErrorRate) {
    const bool failed = request.outcome == Outcome::kFailed;
    totals.observe(failed ? 1 : 0);
    std::get<EventEvidence>(metric.evidence).add(unit, failed, failed);
    return failed;
  }
  if (metric.spec.kind == MetricKind::kScore) {
    if (score >= request.scores.size() || !request.scores[score]) return false;
    const double value = *request.scores[score];
    const bool low = metric.totals[index(Arm::kStable)].below_mean(value);
    totals.observe(value);
    std::get<ScoreEvidence>(metric.evidence).add(unit, value, low);
    return low;
  }
  const auto time = time_of(metric.spec.kind, request);
  if (!time || !warm) return false;
  ++totals.count;
  metric.sketches[index(request.arm)].add(*time);
  if (metric.threshold == 0) return false;
  // Beyond what the stable arm's requests stay below, or beyond that and the margin.
  const bool candidate = request.arm == Arm::kCandidate;
  const bool harm = *time > metric.threshold * (candidate ? 1 + metric.spec.harm_margin : 1);
  const bool safe = *time > metric.threshold * (candidate ? 1 + metric.spec.margin : 1);
  totals.harm_events += harm ? 1 : 0;
  totals.safe_events += safe ? 1 : 0;
  std::get<EventEvidence>(metric.evidence).add(unit, harm, safe);
  return harm;
}

void Analysis::add_late(Metric& metric, const LateScore& score) {
  const bool low = metric.totals[index(Arm::kStable)].below_mean(score.score);
  if (std::get<LateScoreEvidence>(metric.evidence).add(score, low))
    metric.totals[index(score.arm)].observe(score.score);
}

void Analysis::add_rating(const LateScore& rating) {
  for (Metric& metric : metrics_) {
    if (metric.spec.kind == MetricKind::kRating) add_late(metric, rating);
  }
}

void Analysis::add_late_score(std::size_t scorer, const LateScore& score) {
  for (Metric& metric : metrics_) {
    if (metric.spec.kind != MetricKind::kLateScore || scorer-- > 0) continue;
    return add_late(metric, score);
  }
}

void Analysis::add_crash(Arm arm, double share) {
  for (Metric& metric : metrics_) {
    if (metric.spec.kind != MetricKind::kCrashes) continue;
    ++metric.totals[index(arm)].count;
    metric.totals[index(arm)].sum += 1;
    std::get<ShareTest>(metric.evidence).add(arm == Arm::kCandidate, share);
  }
}

void Analysis::settle(double until) {
  // In the order of assignment, and of what was assigned at once in that of arrival.
  std::vector<std::pair<double, std::size_t>> order;
  for (std::size_t i = 0; i < waiting_.size(); ++i) {
    if (waiting_[i].assigned <= until) order.emplace_back(waiting_[i].assigned, i);
  }
  std::ranges::sort(order);
  for (const auto& [assigned, i] : order) count(waiting_[i]);
  std::erase_if(waiting_, [&](const Request& request) { return request.assigned <= until; });
}

void Analysis::close_block(double now) {
  const std::uint64_t before = requests_;
  settle(now - kSettled);
  pace_.add(now, requests_ - before);
  split_.advance(now);
  for (Metric& metric : metrics_) {
    if (auto* events = std::get_if<EventEvidence>(&metric.evidence)) events->close_block();
    if (auto* scores = std::get_if<ScoreEvidence>(&metric.evidence)) scores->close_block();
    if (auto* scores = std::get_if<LateScoreEvidence>(&metric.evidence)) scores->close_block();
    set_threshold(metric);
  }
}

void Analysis::Pace::add(double now, std::size_t count) {
  if (last && now > *last) {
    const double passed = now - *last;
    const double kept = std::exp(-passed / kPaceSeconds);
    requests = requests * kept + static_cast<double>(count);
    seconds = seconds * kept + passed;
  }
  last = now;
}

void Analysis::set_threshold(Metric& metric) {
  const QuantileSketch& stable = metric.sketches[index(Arm::kStable)];
  if (!is_time(metric.spec.kind) || stable.count() < kKnownQuantile) return;
  if (static_cast<double>(stable.count()) <
      kThresholdGrowth * static_cast<double>(metric.threshold_count))
    return;
  metric.threshold = stable.quantile(metric.spec.quantile);
  metric.threshold_count = stable.count();
}

MetricReport Analysis::verdict_of(const Metric& metric) const {
  MetricReport report;
  report.name = metric.spec.name;
  report.kind = metric.spec.kind;
  report.harm_threshold = metric.harm_threshold;
  report.safe_threshold = metric.safe_threshold;
  if (const auto* events = std::get_if<EventEvidence>(&metric.evidence)) {
    report.evidence = events->evidence();
  } else if (const auto* scores = std::get_if<ScoreEvidence>(&metric.evidence)) {
    report.evidence = scores->evidence();
  } else if (const auto* late = std::get_if<LateScoreEvidence>(&metric.evidence)) {
    report.evidence = late->evidence();
  } else {
    // Nobody promises how seldom workers crash, so there is no margin to prove.
    report.evidence.harm = std::get<ShareTest>(metric.evidence).log_e();
    report.evidence.safe = report.safe_threshold;
  }
  if (report.evidence.harm >= report.harm_threshold) {
    report.verdict = Verdict::kHarmful;
  } else if (report.evidence.safe >= report.safe_threshold) {
    report.verdict = Verdict::kSafe;
  }
  return report;
}

// Why those who were scored may be others in one arm than in the other; empty: they are not.
std::string Analysis::mismatch(const Metric& metric) {
  const auto* scores = std::get_if<LateScoreEvidence>(&metric.evidence);
  if (scores == nullptr || scores->mismatch() < std::log(1 / kSplitAlpha)) return {};
  const std::string stable = std::to_string(metric.totals[0].count);
  const std::string candidate = std::to_string(metric.totals[1].count);
  if (metric.spec.kind == MetricKind::kLateScore)
    return metric.spec.name + ": the scorer scored " + stable +
           " answers of the stable version and " + candidate +
           " of the candidate, which is not how requests were split: it may leave out bad ones";
  return metric.spec.name + ": " + stable + " users rated the stable version and " + candidate +
         " the candidate, which is not how they were split: other users may rate";
}

AnalysisReport Analysis::verdicts() const {
  AnalysisReport report;
  report.requests = requests_;
  report.censored = censored_;
  report.verdict = Verdict::kSafe;
  for (const Metric& metric : metrics_) {
    MetricReport one = verdict_of(metric);
    if (one.evidence.stable_dispersion > kMostDispersion) {
      report.withdrawn = one.name + ": the stable version's vary " +
                         std::to_string(one.evidence.stable_dispersion) +
                         " times as much as independent ones";
    }
    if (std::string why = mismatch(metric); !why.empty()) report.withdrawn = std::move(why);
    if (one.verdict == Verdict::kHarmful) {
      report.verdict = Verdict::kHarmful;
    } else if (one.verdict == Verdict::kUndecided && report.verdict == Verdict::kSafe) {
      report.verdict = Verdict::kUndecided;
    }
    report.metrics.push_back(std::move(one));
  }
  if (split_.log_e() >= std::log(1 / kSplitAlpha)) {
    report.withdrawn = "the split of keys is not the one that was asked for";
    // What is compared is not what was meant to be: no step on such evidence.
    if (report.verdict == Verdict::kSafe) report.verdict = Verdict::kUndecided;
  }
  return report;
}

}  // namespace serin::rollout
