// SPDX-License-Identifier: Apache-2.0
// What an analysis shows beside its verdicts: values, intervals and what is to be expected.
#include <algorithm>
#include <cmath>
#include <cstdio>
#include <limits>

#include "rollout/analysis.h"
#include "rollout/metric_kind.h"

namespace serin::rollout {
namespace {

constexpr double kShownAlpha = 0.05;  // of intervals

double rate(std::uint64_t events, std::uint64_t count) {
  return count == 0 ? 0 : static_cast<double>(events) / static_cast<double>(count);
}

// 12345.6 as "12,346".
std::string grouped(double number) {
  std::string digits =
      std::to_string(static_cast<std::uint64_t>(std::llround(std::min(number, 1e18))));
  for (std::size_t at = digits.size(); at > 3; at -= 3) digits.insert(at - 3, ",");
  return digits;
}

// "4 s", "3 min 20 s", "2 h 10 min", "5 days".
std::string duration_text(double seconds) {
  const auto whole = static_cast<std::uint64_t>(std::llround(std::min(seconds, 1e15)));
  const auto two = [](std::uint64_t first, const char* unit, std::uint64_t second,
                      const char* unit_after) {
    std::string text = std::to_string(first) + " " + unit;
    if (second > 0) text += " " + std::to_string(second) + " " + unit_after;
    return text;
  };
  if (whole < 60) return std::to_string(whole) + " s";
  if (whole < 3600) return two(whole / 60, "min", whole % 60, "s");
  if (whole < 2 * 86'400) return two(whole / 3600, "h", whole % 3600 / 60, "min");
  return std::to_string(whole / 86'400) + " days";
}

// To two figures, for what is only expected.
double rounded(double number) {
  if (number < 10) return std::ceil(number);
  const double unit = std::pow(10, std::floor(std::log10(number)) - 1);
  return std::round(number / unit) * unit;
}

}  // namespace

std::string_view name_of(Verdict verdict) {
  switch (verdict) {
    case Verdict::kSafe:
      return "safe";
    case Verdict::kHarmful:
      return "harmful";
    case Verdict::kUndecided:
      break;
  }
  return "undecided";
}

void Analysis::describe(const Metric& metric, MetricReport& report) const {
  const auto& [stable, candidate] = metric.totals;
  report.stable_count = stable.count;
  report.candidate_count = candidate.count;
  if (metric.spec.kind == MetricKind::kCrashes) {
    report.stable = stable.sum;
    report.candidate = candidate.sum;
    return;
  }
  if (is_time(metric.spec.kind)) {
    const auto& [before, after] = metric.sketches;
    report.stable = before.quantile(metric.spec.quantile);
    report.candidate = after.quantile(metric.spec.quantile);
    if (before.count() == 0 || after.count() == 0 || report.stable <= 0) return;
    // Each arm's interval with half of alpha.
    const auto interval = [&](const QuantileSketch& sketch) {
      const Interval levels = quantile_levels(metric.spec.quantile,
                                              static_cast<double>(sketch.count()), kShownAlpha / 2);
      return Interval{sketch.quantile(levels.low), sketch.quantile(levels.high)};
    };
    const Interval first = interval(before);
    const Interval second = interval(after);
    report.difference = {(second.low - first.high) / report.stable,
                         (second.high - first.low) / report.stable};
    return;
  }
  const auto estimate = [&](const Totals& totals) {
    const auto count = static_cast<double>(totals.count);
    if (totals.count == 0) return Estimate{};
    const double mean = totals.sum / count;
    // As if half an event more had been seen, so that none seen is no certainty.
    const double smooth = (totals.sum + 0.5) / (count + 1);
    const double variance = metric.spec.kind == MetricKind::kErrorRate
                                ? smooth * (1 - smooth)
                                : std::max(totals.squares / count - mean * mean, 1 / (count + 1));
    return Estimate{.mean = mean, .variance = variance, .count = count};
  };
  const Estimate before = estimate(stable);
  const Estimate after = estimate(candidate);
  report.stable = before.mean;
  report.candidate = after.mean;
  if (before.count == 0 || after.count == 0) return;
  // Rates and scores are parts of one, which differ by one at most.
  const Interval shown = rollout::difference(before, after, kShownAlpha);
  report.difference = {std::max(shown.low, -1.0), std::min(shown.high, 1.0)};
}

void Analysis::expect(const Metric& metric, MetricReport& report) const {
  const auto& [stable, candidate] = metric.totals;
  if (report.verdict != Verdict::kUndecided || stable.count == 0 || candidate.count == 0) return;
  double harmful = std::numeric_limits<double>::infinity();
  double safe = harmful;
  // A group holds a score of the smaller arm.
  const double part = std::min(weight_, 1 - weight_);
  const auto expect_scores = [&](const auto& scores) {
    if (part <= 0) return;
    harmful = scores.expected_until_harmful(metric.harm_threshold) / part;
    safe = scores.expected_until_safe(metric.safe_threshold) / part;
  };
  if (const auto* events = std::get_if<EventEvidence>(&metric.evidence)) {
    const bool times = is_time(metric.spec.kind);
    const auto rates = [&](std::uint64_t Totals::* field) {
      const auto of = [&](const Totals& totals) {
        return times ? rate(totals.*field, totals.count)
                     : totals.sum / static_cast<double>(totals.count);
      };
      return EventEvidence::Rates{of(stable), of(candidate)};
    };
    harmful =
        events->expected_until_harmful(rates(&Totals::harm_events), weight_, metric.harm_threshold);
    safe = events->expected_until_safe(rates(&Totals::safe_events), weight_, metric.safe_threshold);
  } else if (const auto* scores = std::get_if<ScoreEvidence>(&metric.evidence)) {
    expect_scores(*scores);
  } else if (const auto* late = std::get_if<LateScoreEvidence>(&metric.evidence)) {
    expect_scores(*late);
  }
  const double first = std::min(harmful, safe);
  if (!std::isfinite(first)) return;
  report.expected_verdict = harmful < safe ? Verdict::kHarmful : Verdict::kSafe;
  // Not every request is an observation of this metric.
  report.expected_requests = first / rate(stable.count + candidate.count, requests_);
}

AnalysisReport Analysis::report() const {
  AnalysisReport report = verdicts();
  report.requests_per_second = pace_.rate();
  for (std::size_t i = 0; i < metrics_.size(); ++i) {
    describe(metrics_[i], report.metrics[i]);
    expect(metrics_[i], report.metrics[i]);
  }
  return report;
}

std::string expectation_text(const MetricReport& metric, double requests_per_second) {
  if (!metric.expected_verdict) return "no verdict in sight";
  std::string text = "about " + grouped(rounded(metric.expected_requests)) + " more requests";
  if (requests_per_second > 0) {
    char pace[32];
    std::snprintf(pace, sizeof pace, "%.3g", requests_per_second);
    text += " (" + duration_text(rounded(metric.expected_requests / requests_per_second)) + " at " +
            pace + " a second)";
  }
  return text;
}

}  // namespace serin::rollout
