// SPDX-License-Identifier: Apache-2.0
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "rollout/analysis.h"
#include "rollout/simulate/world.h"

namespace serin::rollout {
namespace {

AnalysisSpec spec() {
  return {.metrics = {
              {.name = "errorRate", .kind = MetricKind::kErrorRate, .margin = 0.01},
              {.name = "latency", .kind = MetricKind::kLatency, .margin = 0.2, .harm_margin = 0.1},
              {.name = "quality", .kind = MetricKind::kScore, .margin = 0.02, .harm_margin = 0.01},
              {.name = "crashes", .kind = MetricKind::kCrashes}}};
}

World world(double candidate_errors) {
  World made;
  made.rate = 100;
  made.stable.error_rate = 0.005;
  made.candidate.error_rate = candidate_errors;
  return made;
}

// How many requests were expected when `seconds` of them had come, in times of how many it took.
struct Foresight {
  double ratio = 0;  // geometric mean over runs
  int wrong = 0;     // another verdict than the expected one
  int runs = 0;
};
Foresight foresight(const World& world, std::size_t metric, double seconds, Verdict verdict) {
  Foresight sum;
  for (std::uint64_t seed = 1; seed <= 20; ++seed) {
    Traffic traffic(world, seed);
    Analysis analysis(spec(), traffic.history());
    const auto tick = [&] {
      for (const Request& request : traffic.next(0.3)) analysis.add(request);
      analysis.close_block(traffic.now());
    };
    while (traffic.now() < seconds) tick();
    const AnalysisReport report = analysis.report();
    if (report.metrics[metric].verdict != Verdict::kUndecided) continue;
    sum.wrong += report.metrics[metric].expected_verdict == verdict ? 0 : 1;
    while (analysis.verdicts().metrics[metric].verdict == Verdict::kUndecided &&
           traffic.now() < 3000)
      tick();
    const auto taken = static_cast<double>(analysis.verdicts().requests - report.requests);
    sum.ratio += std::log(report.metrics[metric].expected_requests / taken);
    ++sum.runs;
  }
  sum.ratio = std::exp(sum.ratio / sum.runs);
  return sum;
}

TEST(Expectation, OfASafeVerdictIsAboutWhatItTakes) {
  // Scores are decided before errors are.
  for (const auto& [metric, seconds] :
       {std::pair{0u, 20.0}, std::pair{1u, 20.0}, std::pair{2u, 10.0}}) {
    const Foresight sum = foresight(world(0.005), metric, seconds, Verdict::kSafe);
    EXPECT_GE(sum.runs, 10) << metric;
    EXPECT_LE(sum.wrong, 4) << metric;
    EXPECT_GT(sum.ratio, 1.0 / 3) << metric;
    EXPECT_LT(sum.ratio, 3) << metric;
  }
}

TEST(Expectation, OfHarmIsAboutWhatItTakes) {
  const Foresight sum = foresight(world(0.02), 0, 10, Verdict::kHarmful);
  EXPECT_GE(sum.runs, 10);
  EXPECT_LE(sum.wrong, 4);
  EXPECT_GT(sum.ratio, 0.5);
  EXPECT_LT(sum.ratio, 2);
}

TEST(Expectation, IsNoneWhereNoVerdictIsInSight) {
  Analysis analysis(spec(), {});
  const AnalysisReport report = analysis.report();
  for (const MetricReport& metric : report.metrics) EXPECT_FALSE(metric.expected_verdict);
  EXPECT_EQ(expectation_text(report.metrics[0], 10), "no verdict in sight");
}

TEST(Expectation, IsSaidInRoundNumbers) {
  MetricReport metric;
  metric.expected_verdict = Verdict::kSafe;
  metric.expected_requests = 12'345;
  EXPECT_EQ(expectation_text(metric, 200),
            "about 12,000 more requests (1 min 2 s at 200 a second)");
  EXPECT_EQ(expectation_text(metric, 0), "about 12,000 more requests");
  metric.expected_requests = 3;
  EXPECT_EQ(expectation_text(metric, 0.5), "about 3 more requests (6 s at 0.5 a second)");
  metric.expected_requests = 1e30;
  EXPECT_THAT(expectation_text(metric, 1), testing::HasSubstr("days"));
}

TEST(Report, SaysHowManyRequestsCome) {
  Traffic traffic(world(0.005), 1);
  Analysis analysis(spec(), {});
  for (int i = 0; i < 400; ++i) {
    for (const Request& request : traffic.next(0.3)) analysis.add(request);
    analysis.close_block(traffic.now());
  }
  EXPECT_NEAR(analysis.report().requests_per_second, 100, 5);
}

// In how many of 100 rollouts the interval of a metric ever leaves out `truth`.
int missed(const World& world, std::size_t metric, double truth) {
  int missed = 0;
  for (std::uint64_t seed = 1; seed <= 100; ++seed) {
    Traffic traffic(world, seed);
    Analysis analysis(spec(), traffic.history());
    for (int i = 0; i < 400; ++i) {
      for (const Request& request : traffic.next(0.3)) analysis.add(request);
      analysis.close_block(traffic.now());
      if (i < 20 || i % 10 != 0) continue;
      const auto shown = analysis.report().metrics[metric].difference;
      if (!shown || (truth >= shown->low && truth <= shown->high)) continue;
      ++missed;
      break;
    }
  }
  return missed;
}

TEST(Interval, HoldsTheDifferenceAtEveryLookTogether) {
  EXPECT_LE(missed(world(0.05), 0, 0.045), 12);
  World slow = world(0.005);
  slow.candidate.latency *= 1.5;
  EXPECT_LE(missed(slow, 1, 0.5), 12);
  World worse = world(0.005);
  worse.candidate.quality = 0.85;  // the rest is 0.5 on average
  EXPECT_LE(missed(worse, 2, -0.05), 12);
}

TEST(Interval, OfPartsOfOneNeverSaysMoreThanOne) {
  Analysis analysis(spec(), {});
  for (std::uint64_t i = 1; i <= 20; ++i) {
    Request request;
    request.assigned = 1;
    request.arm = i > 18 ? Arm::kCandidate : Arm::kStable;
    request.weight = 0.1;
    request.key = i;
    request.scores = {1.0};
    analysis.add(request);
  }
  analysis.close_block(2);
  for (const std::size_t metric : {0, 2}) {
    const auto shown = analysis.report().metrics[metric].difference;
    ASSERT_TRUE(shown);
    EXPECT_EQ(shown->low, -1);
    EXPECT_EQ(shown->high, 1);
  }
}

TEST(Interval, NarrowsAsRequestsComeAndIsNoPointBeforeAnyEvent) {
  const Interval few = difference({0, 0.001, 100}, {0, 0.001, 10}, 0.05);
  const Interval many = difference({0, 0.001, 10'000}, {0, 0.001, 1000}, 0.05);
  EXPECT_LT(few.low, many.low);
  EXPECT_GT(few.high, many.high);
  EXPECT_GT(many.high, 0);
  EXPECT_TRUE(std::isinf(difference({}, {0, 1, 10}, 0.05).high));
  EXPECT_DOUBLE_EQ(quantile_levels(0.95, 0, 0.05).high, 1);
}

}  // namespace
}  // namespace serin::rollout
