// SPDX-License-Identifier: Apache-2.0
#include "rollout/analysis.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "rollout/simulate/world.h"

namespace serin::rollout {
namespace {

const MetricSpec kErrors{.name = "errorRate", .kind = MetricKind::kErrorRate, .margin = 0.002};
const MetricSpec kLatency{
    .name = "latency", .kind = MetricKind::kLatency, .margin = 0.2, .harm_margin = 0.1};

Request answer(Arm arm, double weight = 0.5) {
  return {.arm = arm,
          .weight = weight,
          .worker = arm == Arm::kStable ? 1U : 2U,
          .latency = 0.1,
          .time_to_first_token = {},
          .time_per_output_token = {},
          .scores = {}};
}
Request failure(Arm arm, double weight = 0.5) {
  Request request = answer(arm, weight);
  request.outcome = Outcome::kFailed;
  return request;
}
std::vector<Request> history(std::size_t count) {
  std::vector<Request> all(count, answer(Arm::kStable, 0));
  for (std::size_t i = 0; i < count; ++i)
    all[i].latency = 0.1 + 0.0001 * static_cast<double>(i % 100);
  return all;
}

TEST(Analysis, IsUndecidedBeforeAnythingCame) {
  const Analysis analysis({.metrics = {kErrors}}, {});
  const AnalysisReport report = analysis.report();
  EXPECT_EQ(report.verdict, Verdict::kUndecided);
  ASSERT_EQ(report.metrics.size(), 1u);
  EXPECT_DOUBLE_EQ(report.metrics[0].evidence.harm, 0);
  EXPECT_GT(report.metrics[0].harm_threshold, 0);
  EXPECT_TRUE(report.withdrawn.empty());
}

TEST(Analysis, FindsACandidateThatFailsEveryOtherRequest) {
  Analysis analysis({.metrics = {kErrors}}, history(2000));
  for (int i = 0; i < 20 && analysis.report().verdict != Verdict::kHarmful; ++i) {
    analysis.add(answer(Arm::kStable));
    analysis.add(i % 2 == 0 ? failure(Arm::kCandidate) : answer(Arm::kCandidate));
    analysis.close_block(1);
  }
  const AnalysisReport report = analysis.report();
  EXPECT_EQ(report.verdict, Verdict::kHarmful);
  EXPECT_GT(report.metrics[0].candidate, 0.4);
  EXPECT_EQ(report.metrics[0].stable, 0);
}

TEST(Analysis, FindsACandidateOfWhichEveryRequestFails) {
  Analysis analysis({.metrics = {kErrors}}, history(2000));
  int asked = 0;
  for (; asked < 200 && analysis.report().verdict != Verdict::kHarmful; ++asked) {
    analysis.add(answer(Arm::kStable));
    analysis.add(failure(Arm::kCandidate));
    analysis.close_block(1);
  }
  EXPECT_LT(asked, 200);
}

TEST(Analysis, AUserWhoAlwaysFailsCountsOnce) {
  Analysis analysis({.metrics = {kErrors}}, history(2000));
  for (int i = 0; i < 2000; ++i) {
    Request stable = answer(Arm::kStable);
    stable.key = 2;
    Request bad = i % 2 == 0 ? failure(Arm::kCandidate) : answer(Arm::kCandidate);
    bad.key = 3;
    analysis.add(stable);
    analysis.add(bad);
    analysis.close_block(1);
  }
  EXPECT_EQ(analysis.report().verdict, Verdict::kUndecided);
  EXPECT_NEAR(analysis.report().metrics[0].candidate, 0.5, 1e-9)
      << "what is shown is every request";
}

TEST(Analysis, WhatTheClientDidIsCountedAndProvesNothing) {
  Analysis analysis({.metrics = {kErrors}}, history(2000));
  for (int i = 0; i < 1000; ++i) {
    Request gone = answer(Arm::kCandidate);
    gone.outcome = Outcome::kCensored;
    analysis.add(gone);
    analysis.add(answer(Arm::kStable));
    analysis.close_block(1);
  }
  EXPECT_EQ(analysis.report().censored, 1000u);
  EXPECT_EQ(analysis.report().metrics[0].candidate_count, 0u);
  EXPECT_EQ(analysis.report().metrics[0].verdict, Verdict::kUndecided);
}

TEST(Analysis, IsSafeOnlyWhenEveryMetricIs) {
  const auto verdict_with = [](double candidate_latency) {
    Analysis analysis({.metrics = {kErrors, kLatency}, .warmup_requests = 0}, history(2000));
    for (int i = 0; i < 20'000; ++i) {
      Request stable = answer(Arm::kStable);
      stable.latency = 0.1 + 0.0001 * (i % 100);
      Request candidate = answer(Arm::kCandidate);
      candidate.latency = candidate_latency * *stable.latency;
      analysis.add(stable);
      analysis.add(candidate);
      analysis.close_block(1);
      if (analysis.report().verdict != Verdict::kUndecided) break;
    }
    return analysis.report().verdict;
  };
  EXPECT_EQ(verdict_with(1), Verdict::kSafe);
  EXPECT_EQ(verdict_with(1.3), Verdict::kHarmful);
}

TEST(Analysis, AHangIsSlowAndFailed) {
  Analysis analysis({.metrics = {kLatency}, .warmup_requests = 0}, history(2000));
  for (int i = 0; i < 200 && analysis.report().verdict == Verdict::kUndecided; ++i) {
    analysis.add(answer(Arm::kStable));
    Request hung = failure(Arm::kCandidate);
    hung.latency = i % 2 == 0 ? std::numeric_limits<double>::infinity() : 0.1;
    analysis.add(hung);
    analysis.close_block(1);
  }
  EXPECT_EQ(analysis.report().verdict, Verdict::kHarmful);
}

TEST(Analysis, TheFirstRequestsOfAWorkerSayNothingOfTimes) {
  Analysis analysis({.metrics = {kLatency}, .warmup_requests = 50}, history(2000));
  for (int i = 0; i < 50; ++i) {
    Request cold = answer(Arm::kCandidate);
    cold.latency = 10;
    analysis.add(cold);
    analysis.add(answer(Arm::kStable));
    analysis.close_block(1);
  }
  EXPECT_DOUBLE_EQ(analysis.report().metrics[0].evidence.harm, 0);
}

TEST(Analysis, ASplitThatIsNotTheOneAskedForWithdrawsThePromise) {
  Analysis analysis({.metrics = {kErrors}}, history(2000));
  for (int i = 0; i < 20'000; ++i) {
    Request request = answer(i % 4 == 0 ? Arm::kCandidate : Arm::kStable, 0.5);
    request.assigned = i * 0.01;
    analysis.add(request);
    if (i % 10 == 0) analysis.close_block(request.assigned);
    if (i == 5000) EXPECT_TRUE(analysis.report().withdrawn.empty()) << "not every end is known";
  }
  EXPECT_THAT(analysis.report().withdrawn, testing::HasSubstr("split"));
  EXPECT_NE(analysis.report().verdict, Verdict::kSafe);
}

TEST(Analysis, ASlowCandidateIsNotTakenForAWrongSplit) {
  World world;
  world.rate = 200;
  world.deadline = 20;
  world.candidate.latency = 8;
  Traffic traffic(world, 3);
  Analysis analysis({.metrics = {kErrors}, .deadline = 20}, traffic.history());
  while (traffic.now() < 60) {
    for (const Request& request : traffic.next(0.3)) analysis.add(request);
    analysis.close_block(traffic.now());
    ASSERT_TRUE(analysis.verdicts().withdrawn.empty()) << traffic.now();
  }
}

TEST(Analysis, CrashesOfTheCandidateAloneAreHarmful) {
  Analysis analysis({.metrics = {{.name = "crashes", .kind = MetricKind::kCrashes}}}, {});
  for (int i = 0; i < 4; ++i) analysis.add_crash(Arm::kCandidate, 0.1);
  EXPECT_EQ(analysis.report().verdict, Verdict::kHarmful);
  Analysis both({.metrics = {{.name = "crashes", .kind = MetricKind::kCrashes}}}, {});
  for (int i = 0; i < 40; ++i) both.add_crash(i % 2 == 0 ? Arm::kCandidate : Arm::kStable, 0.5);
  EXPECT_NE(both.report().verdict, Verdict::kHarmful);
}

TEST(Analysis, WorseScoresAreHarmful) {
  Analysis analysis({.metrics = {{.name = "quality", .kind = MetricKind::kScore, .margin = 0.02}}},
                    {});
  for (int i = 0; i < 400; ++i) {
    for (const Arm arm : {Arm::kStable, Arm::kCandidate}) {
      Request request = answer(arm);
      request.scores = {arm == Arm::kStable ? 0.95 : 0.8};
      analysis.add(request);
    }
    analysis.close_block(1);
  }
  EXPECT_EQ(analysis.report().verdict, Verdict::kHarmful);
}

TEST(KeyTable, ForgetsHalfOfTheKeysWhenItIsFullAndNeverCountsThemAgain) {
  KeyTable table(100);
  const auto key = [](std::uint64_t i) { return i * 0x9e3779b97f4a7c15; };
  for (std::uint64_t i = 1; i <= 100; ++i) EXPECT_TRUE(table.see(key(i), Arm::kStable).first);
  std::size_t counted = 0;
  for (std::uint64_t i = 101; i <= 200; ++i) {
    counted += table.see(key(i), Arm::kStable).seen != nullptr ? 1 : 0;
  }
  EXPECT_GT(counted, 20u);
  EXPECT_LT(counted, 80u);
  std::size_t first_again = 0;
  for (std::uint64_t i = 1; i <= 100; ++i) {
    first_again += table.see(key(i), Arm::kStable).first ? 1 : 0;
  }
  EXPECT_EQ(first_again, 0u);
}

}  // namespace
}  // namespace serin::rollout
