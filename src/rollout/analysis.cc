// SPDX-License-Identifier: Apache-2.0
#include "rollout/analysis.h"

#include <algorithm>
#include <cmath>

#include "base/check.h"

namespace serin::rollout {
namespace {

// So many stable requests before the stable arm's quantile is known well enough to be a threshold.
constexpr std::uint64_t kKnownQuantile = 100;
// With 1 in so many rollouts the split is called wrong when it is right.
constexpr double kSplitAlpha = 0.001;
// Events that vary so many times as much as independent ones are not understood.
constexpr double kMostDispersion = 5;

bool is_time(MetricKind kind) {
  return kind == MetricKind::kLatency || kind == MetricKind::kTimeToFirstToken ||
         kind == MetricKind::kTimePerOutputToken;
}

std::optional<double> time_of(MetricKind kind, const Request& request) {
  if (kind == MetricKind::kLatency) return request.latency;
  if (kind == MetricKind::kTimeToFirstToken) return request.time_to_first_token;
  return request.time_per_output_token;
}

std::variant<EventEvidence, ScoreEvidence, ShareTest> tests_of(const MetricSpec& spec) {
  if (spec.kind == MetricKind::kCrashes) return ShareTest(ShareTest::Null::kNoMore);
  if (spec.kind == MetricKind::kScore) return ScoreEvidence(spec.harm_margin, spec.margin);
  if (is_time(spec.kind)) return EventEvidence(0, 0);
  return EventEvidence(spec.harm_margin, spec.margin);
}

}  // namespace

Analysis::Analysis(AnalysisSpec spec, std::span<const Request> history) : spec_(std::move(spec)) {
  SERIN_CHECK(spec_.metrics.size() <= 32);  // a bit each in KeyTable
  for (const MetricSpec& metric : spec_.metrics)
    metrics_.push_back({.spec = metric, .evidence = tests_of(metric), .sketches = {}});
  for (Metric& metric : metrics_) {
    Trials past;
    for (const Request& request : history) {
      if (request.outcome == Outcome::kCensored) continue;
      past += {1, request.outcome == Outcome::kFailed ? 1U : 0U};
      if (const auto time = time_of(metric.spec.kind, request))
        metric.sketches[index(Arm::kStable)].add(*time);
    }
    if (metric.spec.kind == MetricKind::kErrorRate)
      std::get<EventEvidence>(metric.evidence).seed(past);
    set_threshold(metric);
  }
}

void Analysis::add(Request request) { waiting_.push_back(std::move(request)); }

void Analysis::count(const Request& request) {
  const bool own_key = request.key == Request::kOwnKey;
  const KeyTable::Key known = own_key ? KeyTable::Key{} : keys_.see(request.key);
  if (!own_key && !known.counted) return;
  const bool first = own_key || known.first;
  if (first) split_.add(request.arm == Arm::kCandidate, request.weight);
  if (request.outcome == Outcome::kCensored) {
    ++censored_;
    return;
  }
  ++requests_of_worker_[request.worker];
  std::uint32_t none = 0;
  std::uint32_t& events = own_key ? none : *known.events;
  std::uint32_t bit = 1;
  std::size_t score = 0;
  for (Metric& metric : metrics_) {
    const Unit unit{.arm = request.arm,
                    .weight = request.weight,
                    .worker = request.worker,
                    .first = first,
                    .had_event = (events & bit) != 0};
    const std::size_t at = metric.spec.kind == MetricKind::kScore ? score++ : 0;
    if (add_to(metric, request, unit, at)) events |= bit;
    bit <<= 1;
  }
}

bool Analysis::add_to(Metric& metric, const Request& request, const Unit& unit, std::size_t score) {
  Totals& totals = metric.totals[index(request.arm)];
  if (metric.spec.kind == MetricKind::kErrorRate) {
    const bool failed = request.outcome == Outcome::kFailed;
    ++totals.count;
    totals.sum += failed ? 1 : 0;
    std::get<EventEvidence>(metric.evidence).add(unit, failed, failed);
    return failed;
  }
  if (metric.spec.kind == MetricKind::kScore) {
    if (score >= request.scores.size() || !request.scores[score]) return false;
    ++totals.count;
    totals.sum += *request.scores[score];
    std::get<ScoreEvidence>(metric.evidence).add(unit, *request.scores[score]);
    return false;
  }
  const auto time = time_of(metric.spec.kind, request);
  if (!time || requests_of_worker_[request.worker] <= spec_.warmup_requests) return false;
  ++totals.count;
  metric.sketches[index(request.arm)].add(*time);
  if (metric.threshold == 0) return false;
  // Beyond what the stable arm's requests stay below, or beyond that and the margin.
  const bool candidate = request.arm == Arm::kCandidate;
  const double harm = metric.threshold * (candidate ? 1 + metric.spec.harm_margin : 1);
  const double safe = metric.threshold * (candidate ? 1 + metric.spec.margin : 1);
  std::get<EventEvidence>(metric.evidence).add(unit, *time > harm, *time > safe);
  return *time > harm;
}

void Analysis::add_crash(Arm arm, double share) {
  for (Metric& metric : metrics_) {
    if (metric.spec.kind != MetricKind::kCrashes) continue;
    ++metric.totals[index(arm)].count;
    metric.totals[index(arm)].sum += 1;
    std::get<ShareTest>(metric.evidence).add(arm == Arm::kCandidate, share);
  }
}

void Analysis::close_block(double now) {
  const auto settled = std::ranges::partition(
      waiting_, [&](const Request& request) { return request.assigned > now - kSettled; });
  std::ranges::sort(settled, {}, &Request::assigned);
  for (const Request& request : settled) count(request);
  waiting_.erase(settled.begin(), settled.end());
  for (Metric& metric : metrics_) {
    if (auto* events = std::get_if<EventEvidence>(&metric.evidence)) events->close_block();
    if (auto* scores = std::get_if<ScoreEvidence>(&metric.evidence)) scores->close_block();
    set_threshold(metric);
  }
}

void Analysis::set_threshold(Metric& metric) {
  const QuantileSketch& stable = metric.sketches[index(Arm::kStable)];
  if (!is_time(metric.spec.kind) || stable.count() < kKnownQuantile) return;
  if (metric.threshold == 0) {
    const auto count = static_cast<double>(stable.count());
    std::get<EventEvidence>(metric.evidence)
        .seed({stable.count(), static_cast<std::uint64_t>(count * (1 - metric.spec.quantile))});
  }
  metric.threshold = stable.quantile(metric.spec.quantile);
}

MetricReport Analysis::report_of(const Metric& metric) const {
  MetricReport report;
  report.name = metric.spec.name;
  report.harm_threshold = std::log(static_cast<double>(metrics_.size()) / spec_.false_rollback);
  report.safe_threshold = std::log(1 / spec_.false_promotion);
  if (const auto* events = std::get_if<EventEvidence>(&metric.evidence)) {
    report.evidence = events->evidence();
  } else if (const auto* scores = std::get_if<ScoreEvidence>(&metric.evidence)) {
    report.evidence = scores->evidence();
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
  const auto value = [&](Arm arm) {
    if (is_time(metric.spec.kind))
      return metric.sketches[index(arm)].quantile(metric.spec.quantile);
    const Totals& totals = metric.totals[index(arm)];
    if (metric.spec.kind == MetricKind::kCrashes) return totals.sum;
    return totals.count == 0 ? 0 : totals.sum / static_cast<double>(totals.count);
  };
  report.stable = value(Arm::kStable);
  report.candidate = value(Arm::kCandidate);
  report.stable_count = metric.totals[index(Arm::kStable)].count;
  report.candidate_count = metric.totals[index(Arm::kCandidate)].count;
  return report;
}

AnalysisReport Analysis::report() const {
  AnalysisReport report;
  report.censored = censored_;
  report.verdict = Verdict::kSafe;
  for (const Metric& metric : metrics_) {
    MetricReport one = report_of(metric);
    const double dispersion = std::max(one.evidence.harm_dispersion, one.evidence.safe_dispersion);
    if (dispersion > kMostDispersion) {
      report.withdrawn = one.name + ": events vary " + std::to_string(dispersion) +
                         " times as much as independent ones";
    }
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
