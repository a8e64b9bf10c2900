// SPDX-License-Identifier: Apache-2.0
#include "rollout/plan.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace serin::rollout {
namespace {

AnalysisReport report(Verdict verdict) {
  AnalysisReport made;
  made.verdict = verdict;
  made.metrics.emplace_back();
  made.metrics[0].name = "errorRate";
  made.metrics[0].verdict = verdict;
  return made;
}

const CanarySpec kSpec{.interval = Seconds(60), .hold_limit = Seconds(600)};
const CanaryStatus kRunning{.weight = 20, .at_weight = Seconds(60), .candidate_ready = true};

TEST(Plan, BeginsWhenTheCandidateIsReady) {
  EXPECT_EQ(plan(kSpec, {}, report(Verdict::kUndecided)).reason, "CandidateNotReady");
  const Action action = plan(kSpec, {.candidate_ready = true}, report(Verdict::kUndecided));
  EXPECT_EQ(action.kind, ActionKind::kSetWeight);
  EXPECT_EQ(action.weight, 10);
}

TEST(Plan, StepsWhenSafeAndTheIntervalIsOver) {
  const Action action = plan(kSpec, kRunning, report(Verdict::kSafe));
  EXPECT_EQ(action.kind, ActionKind::kSetWeight);
  EXPECT_EQ(action.weight, 30);
  CanaryStatus early = kRunning;
  early.at_weight = Seconds(59);
  EXPECT_EQ(plan(kSpec, early, report(Verdict::kSafe)).reason, "Interval");
}

TEST(Plan, PromotesInsteadOfAStepToAHundred) {
  CanaryStatus last = kRunning;
  last.weight = 95;
  EXPECT_EQ(plan(kSpec, last, report(Verdict::kSafe)).kind, ActionKind::kPromote);
}

TEST(Plan, RollsBackAtOnceWhateverElseIsTrue) {
  CanaryStatus status = kRunning;
  status.at_weight = Seconds(0);
  status.paused = true;
  const Action action = plan(kSpec, status, report(Verdict::kHarmful));
  EXPECT_EQ(action.kind, ActionKind::kRollBack);
  EXPECT_THAT(action.message, testing::HasSubstr("errorRate"));
}

TEST(Plan, ADryRunOnlyTells) {
  CanarySpec dry = kSpec;
  dry.dry_run = true;
  const Action action = plan(dry, kRunning, report(Verdict::kHarmful));
  EXPECT_EQ(action.kind, ActionKind::kWait);
  EXPECT_EQ(action.reason, "WouldRollBack");
}

TEST(Plan, RollsBackACandidateThatNeverBecomesReady) {
  EXPECT_EQ(plan(kSpec, {.deadline_passed = true}, report(Verdict::kUndecided)).reason,
            "ProgressDeadlineExceeded");
}

TEST(Plan, AtTheHoldLimitThePolicyDecides) {
  CanaryStatus held = kRunning;
  held.at_weight = Seconds(659);
  EXPECT_EQ(plan(kSpec, held, report(Verdict::kUndecided)).reason, "Undecided");
  held.at_weight = Seconds(660);
  for (const auto& [policy, action] : {std::pair{HoldPolicy::kPause, ActionKind::kPause},
                                       {HoldPolicy::kRollBack, ActionKind::kRollBack},
                                       {HoldPolicy::kPromote, ActionKind::kPromote}}) {
    CanarySpec spec = kSpec;
    spec.on_hold_limit = policy;
    EXPECT_EQ(plan(spec, held, report(Verdict::kUndecided)).kind, action);
  }
}

TEST(Plan, WaitsWhilePaused) {
  CanaryStatus paused = kRunning;
  paused.paused = true;
  EXPECT_EQ(plan(kSpec, paused, report(Verdict::kSafe)).reason, "Paused");
}

}  // namespace
}  // namespace serin::rollout
