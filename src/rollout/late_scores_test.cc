// SPDX-License-Identifier: Apache-2.0
#include "rollout/late_scores.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "rollout/analysis.h"
#include "rollout/simulate/dice.h"

namespace serin::rollout {
namespace {

AnalysisSpec spec() {
  return {.metrics = {{.name = "quality (feedback)",
                       .kind = MetricKind::kRating,
                       .margin = 0.1,
                       .harm_margin = 0.05}}};
}

// Users of whom each rates once, up or down, and a control plane that looks after each.
class Raters {
 public:
  explicit Raters(std::uint64_t seed = 1) : dice_(seed) {}

  // Until the verdict, or so many users have rated.
  Verdict rate(int users, double stable, double candidate) {
    for (int i = 0; i < users && analysis.verdicts().verdict == Verdict::kUndecided; ++i)
      one(stable, candidate);
    return analysis.verdicts().verdict;
  }
  // The next one: how probable it is that it likes either version.
  void one(double stable, double candidate) {
    const Arm arm = dice_.uniform() < kWeight ? Arm::kCandidate : Arm::kStable;
    const bool up = dice_.uniform() < (arm == Arm::kStable ? stable : candidate);
    analysis.add_rating(rating(arm, ++users_ * 0x9e3779b97f4a7c15, up ? 1 : 0));
    look();
  }
  void look() { analysis.close_block(now_ += 0.25); }
  static LateScore rating(Arm arm, std::uint64_t key, double score) {
    return {.arm = arm, .weight = kWeight, .key = key, .score = score};
  }
  MetricReport metric() const { return analysis.report().metrics[0]; }

  static constexpr double kWeight = 0.3;
  Analysis analysis{spec(), {}};

 private:
  Dice dice_;
  std::uint64_t users_ = 0;
  double now_ = 0;
};

TEST(Ratings, DecideLikeAnyOtherMetric) {
  EXPECT_EQ(Raters().rate(5000, 0.8, 0.4), Verdict::kHarmful);
  Raters alike;
  EXPECT_EQ(alike.rate(5000, 0.8, 0.8), Verdict::kSafe);
  EXPECT_NEAR(alike.metric().stable, 0.8, 0.1);
  EXPECT_GT(alike.metric().candidate_count, 50u);
  EXPECT_TRUE(alike.analysis.report().withdrawn.empty());
  EXPECT_EQ(Raters().rate(0, 0.8, 0.8), Verdict::kUndecided) << "nobody said anything";
}

TEST(Ratings, OfOneUserDecideNothingHoweverManyTheyAre) {
  constexpr std::uint64_t kOne = 12345;
  for (const double score : {0.0, 1.0}) {
    Raters raters;
    for (int i = 0; i < 100'000; ++i) {
      const Arm arm = i % 3 == 0 ? Arm::kStable : Arm::kCandidate;
      raters.analysis.add_rating(
          Raters::rating(arm, kOne, arm == Arm::kStable ? 1 - score : score));
      if (i % 7 == 0) raters.look();
    }
    EXPECT_EQ(raters.analysis.verdicts().verdict, Verdict::kUndecided);
    EXPECT_EQ(raters.metric().stable_count + raters.metric().candidate_count, 1u);
  }
}

TEST(Ratings, OfOneUserAmongManyCountOnce) {
  for (const double score : {0.0, 1.0}) {
    Raters without, with;
    for (int i = 0; i < 100; ++i) {
      without.one(0.8, 0.8);
      with.one(0.8, 0.8);
      for (int times = 0; times < 1000; ++times)
        with.analysis.add_rating(Raters::rating(Arm::kCandidate, 12345, score));
    }
    with.look();
    EXPECT_EQ(with.metric().candidate_count, without.metric().candidate_count + 1);
    // One bet of at most 0.75 of the capital.
    EXPECT_NEAR(with.metric().evidence.harm, without.metric().evidence.harm, 0.6);
    EXPECT_NEAR(with.metric().evidence.safe, without.metric().evidence.safe, 0.7);
  }
}

TEST(Ratings, OfNobodyDoNotCount) {
  Raters raters;
  for (int i = 0; i < 1000; ++i) {
    raters.analysis.add_rating(Raters::rating(Arm::kCandidate, Request::kOwnKey, 0));
    raters.analysis.add_rating(Raters::rating(Arm::kStable, Request::kOwnKey, 1));
    raters.look();
  }
  EXPECT_EQ(raters.metric().stable_count, 0u);
  EXPECT_EQ(raters.analysis.verdicts().verdict, Verdict::kUndecided);
}

TEST(Ratings, ThatAreSeldomWaitForTheOtherArms) {
  Raters raters;
  for (std::uint64_t i = 1; i < 40; ++i) {
    raters.analysis.add_rating(Raters::rating(Arm::kStable, 2 * i, 1));
    for (int quarter_hour = 0; quarter_hour < 3600; ++quarter_hour) raters.look();
    raters.analysis.add_rating(Raters::rating(Arm::kCandidate, 2 * i + 1, 0));
    raters.look();
  }
  EXPECT_EQ(raters.analysis.verdicts().verdict, Verdict::kHarmful);
}

TEST(Ratings, SayWhenUsersOfTheTwoVersionsRateDifferentlyOften) {
  Raters raters;
  for (std::uint64_t i = 1; i <= 400; ++i) {
    const Arm arm = i % 20 < 12 ? Arm::kCandidate : Arm::kStable;  // 60 % instead of 30
    raters.analysis.add_rating(Raters::rating(arm, i, 0.5));
    raters.look();
  }
  EXPECT_THAT(raters.analysis.report().withdrawn,
              testing::HasSubstr("160 users rated the stable version and 240 the candidate"));
}

TEST(LateScores, DecideLikeScoresThatComeWithTheAnswer) {
  for (const double candidate : {0.9, 0.5}) {
    Analysis analysis({.metrics = {{.name = "quality (judge)",
                                    .kind = MetricKind::kLateScore,
                                    .margin = 0.1,
                                    .harm_margin = 0.05},
                                   {.name = "quality (other)",
                                    .kind = MetricKind::kLateScore,
                                    .margin = 0.1,
                                    .harm_margin = 0.05}}},
                      {});
    for (int i = 0; i < 2000; ++i) {
      const Arm arm = i % 2 == 0 ? Arm::kStable : Arm::kCandidate;
      const double score = arm == Arm::kStable ? 0.9 : candidate;
      // Half of the requests have a user.
      const std::uint64_t key =
          i % 4 < 2 ? Request::kOwnKey : 1 + static_cast<std::uint64_t>(i) % 60;
      analysis.add_late_score(0, {.arm = arm, .weight = 0.5, .key = key, .score = score});
      analysis.close_block(i);
    }
    const AnalysisReport report = analysis.report();
    EXPECT_EQ(report.metrics[0].verdict, candidate < 0.9 ? Verdict::kHarmful : Verdict::kSafe);
    EXPECT_EQ(report.metrics[0].stable_count, 1000u);
    EXPECT_EQ(report.metrics[1].verdict, Verdict::kUndecided) << "nobody scored for it";
    EXPECT_TRUE(report.withdrawn.empty()) << report.withdrawn;
  }
}

TEST(LateScores, SayWhenAScorerLeavesOutAnswersOfOneVersion) {
  Analysis analysis(
      {.metrics = {{.name = "quality (judge)", .kind = MetricKind::kLateScore, .margin = 0.1}}},
      {});
  for (int i = 0; i < 400; ++i)
    analysis.add_late_score(
        0, {.arm = i % 4 == 0 ? Arm::kCandidate : Arm::kStable, .weight = 0.5, .score = 1});
  EXPECT_THAT(analysis.report().withdrawn, testing::HasSubstr("300 answers of the stable version"));
}

TEST(Ratings, RollBackAtMostAsManyEqualCandidatesAsWasPromised) {
  constexpr int kRuns = 400;
  int rolled_back = 0, promoted = 0;
  for (int run = 0; run < kRuns; ++run) {
    // Exactly at the harmMargin, and exactly at the margin.
    Raters harmless(run + 1);
    rolled_back += harmless.rate(1000, 0.8, 0.75) == Verdict::kHarmful ? 1 : 0;
    Raters worse(run + 1);
    promoted += worse.rate(1000, 0.8, 0.7) == Verdict::kSafe ? 1 : 0;
  }
  // 1 % and 5 %, and what 400 runs of those have less often than once in a thousand times.
  EXPECT_LE(rolled_back, 12);
  EXPECT_LE(promoted, 36);
}

}  // namespace
}  // namespace serin::rollout
