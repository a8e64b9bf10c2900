// SPDX-License-Identifier: Apache-2.0
#include "rollout/plan.h"

namespace serin::rollout {
namespace {

// "errorRate, timeToFirstToken": the metrics of that verdict.
std::string names_of(const AnalysisReport& report, Verdict verdict) {
  std::string names;
  for (const MetricReport& metric : report.metrics) {
    if (metric.verdict != verdict) continue;
    if (!names.empty()) names += ", ";
    names += metric.name;
  }
  return names;
}

Action wait(std::string reason, std::string message) {
  return {.reason = std::move(reason), .message = std::move(message)};
}

Action at_hold_limit(HoldPolicy policy, const AnalysisReport& report) {
  const std::string message =
      "undecided for as long as holdLimit allows: " + names_of(report, Verdict::kUndecided) +
      " need more requests";
  if (policy == HoldPolicy::kPromote)
    return {.kind = ActionKind::kPromote, .reason = "HoldLimitReached", .message = message};
  if (policy == HoldPolicy::kRollBack)
    return {.kind = ActionKind::kRollBack, .reason = "HoldLimitReached", .message = message};
  return {.kind = ActionKind::kPause, .reason = "HoldLimitReached", .message = message};
}

}  // namespace

Action plan(const CanarySpec& spec, const CanaryStatus& status, const AnalysisReport& report) {
  if (report.verdict == Verdict::kHarmful) {
    const std::string message =
        "worse than the stable version: " + names_of(report, Verdict::kHarmful);
    if (spec.dry_run) return wait("WouldRollBack", message);
    return {.kind = ActionKind::kRollBack, .reason = "Harmful", .message = message};
  }
  if (!status.candidate_ready && status.deadline_passed) {
    return {.kind = ActionKind::kRollBack,
            .reason = "ProgressDeadlineExceeded",
            .message = "the candidate did not become ready in time"};
  }
  if (status.paused) return wait("Paused", "waits to be resumed, promoted or aborted");
  if (!status.candidate_ready) return wait("CandidateNotReady", "the candidate is starting");
  if (status.weight == 0) {
    return {.kind = ActionKind::kSetWeight,
            .weight = spec.initial_weight,
            .reason = "Started",
            .message = "the candidate is ready"};
  }
  if (status.at_weight < spec.interval) return wait("Interval", "this step is not over yet");
  if (report.verdict == Verdict::kSafe || spec.dry_run) {
    // At 100 % there is nothing left to compare with.
    const int next = status.weight + spec.step_weight;
    if (next >= 100)
      return {.kind = ActionKind::kPromote, .reason = "Safe", .message = "safe at every step"};
    return {.kind = ActionKind::kSetWeight,
            .weight = next,
            .reason = "Safe",
            .message = "every metric is safe"};
  }
  if (status.at_weight >= spec.interval + spec.hold_limit)
    return at_hold_limit(spec.on_hold_limit, report);
  return wait("Undecided", names_of(report, Verdict::kUndecided) + " need more requests");
}

}  // namespace serin::rollout
