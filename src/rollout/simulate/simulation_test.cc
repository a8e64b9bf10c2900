// SPDX-License-Identifier: Apache-2.0
#include "rollout/simulate/simulation.h"

#include <gtest/gtest.h>

#include <cmath>

#include "rollout/simulate/rehearsal.h"

namespace serin::rollout {
namespace {

std::vector<Request> requests(int count, int failed) {
  std::vector<Request> all(static_cast<std::size_t>(count));
  for (int i = 0; i < count; ++i) {
    all[static_cast<std::size_t>(i)].arm = Arm::kCandidate;
    if (i < failed) all[static_cast<std::size_t>(i)].outcome = Outcome::kFailed;
  }
  return all;
}

TEST(Traffic, HasTheRatesOfItsWorld) {
  World world;
  world.rate = 100;
  world.stable.error_rate = 0.05;
  world.stable.burst = 4;
  world.candidate.error_rate = 0.1;
  world.users = 1000;
  world.zipf = 0.5;
  world.bad_users = 0.02;
  Traffic traffic(world, 3);
  std::array<Trials, 2> seen{};
  while (traffic.now() < 2000) {
    for (const Request& request : traffic.next(0.3))
      seen[index(request.arm)] += {1, request.outcome == Outcome::kFailed ? 1U : 0U};
  }
  const auto& [stable, candidate] = seen;
  const auto total = static_cast<double>(stable.trials + candidate.trials);
  EXPECT_NEAR(total, 200'000, 2000);
  EXPECT_NEAR(static_cast<double>(candidate.trials) / total, 0.3, 0.05) << "of users";
  EXPECT_NEAR(static_cast<double>(stable.events) / static_cast<double>(stable.trials), 0.05, 0.01);
  EXPECT_NEAR(static_cast<double>(candidate.events) / static_cast<double>(candidate.trials), 0.1,
              0.02);
}

TEST(Dice, ScoresHaveTheirMeanAndDeviation) {
  struct {
    double mean, deviation;
  } const kRows[] = {{0.8, 0.2}, {0.8, 0.39}, {0.5, 0.01}, {0.02, 0.1}, {0.3, 0.5}};
  for (const auto& row : kRows) {
    Dice dice(5);
    constexpr int kCount = 200'000;
    double sum = 0, squares = 0;
    for (int i = 0; i < kCount; ++i) {
      const double score = dice.score(row.mean, row.deviation);
      ASSERT_TRUE(score >= 0 && score <= 1) << score;
      sum += score;
      squares += score * score;
    }
    const double mean = sum / kCount;
    const double widest = std::sqrt(row.mean * (1 - row.mean));
    EXPECT_NEAR(mean, row.mean, 0.005);
    EXPECT_NEAR(std::sqrt(squares / kCount - mean * mean), std::min(row.deviation, widest), 0.005)
        << row.mean;
  }
}

TEST(Traffic, ScoresWhatIsAnsweredByEveryScorer) {
  World world;
  world.stable.error_rate = 0.2;
  world.stable.quality = 1;
  world.stable.scorers = {{.mean = 0.3, .deviation = 0.001}, {.mean = 0.6, .deviation = 0.001}};
  Traffic traffic(world, 1);
  while (traffic.now() < 20) {
    for (const Request& request : traffic.next(0)) {
      if (request.outcome == Outcome::kFailed) {
        EXPECT_TRUE(request.scores.empty());
        continue;
      }
      ASSERT_EQ(request.scores.size(), 3u);
      EXPECT_DOUBLE_EQ(*request.scores[0], 1);
      EXPECT_NEAR(*request.scores[1], 0.3, 0.01);
      EXPECT_NEAR(*request.scores[2], 0.6, 0.01);
    }
  }
}

TEST(Traffic, IsTheSameForTheSameSeedAndKeepsAUserOnItsSide) {
  World world;
  world.users = 50;
  Traffic one(world, 9);
  Traffic other(world, 9);
  std::unordered_map<std::uint64_t, Arm> arms;
  for (int i = 0; i < 2000; ++i) {
    // The candidate's weight grows half way: a user who was its stays its.
    const double weight = i < 1000 ? 0.2 : 0.6;
    const auto first = one.next(weight);
    const auto second = other.next(weight);
    ASSERT_EQ(first.size(), second.size());
    for (std::size_t k = 0; k < first.size(); ++k) {
      EXPECT_EQ(first[k].assigned, second[k].assigned);
      EXPECT_EQ(first[k].outcome, second[k].outcome);
      if (arms[first[k].key] == Arm::kCandidate) EXPECT_EQ(first[k].arm, Arm::kCandidate);
      arms[first[k].key] = first[k].arm;
    }
  }
  EXPECT_EQ(arms.size(), 50u);
}

TEST(Traffic, AHangEndsAtTheDeadlineAsAFailure) {
  World world;
  world.deadline = 5;
  world.stable.hang_rate = 1;
  Traffic traffic(world, 1);
  std::size_t ended = 0;
  while (traffic.now() < 20) {
    for (const Request& request : traffic.next(0)) {
      EXPECT_EQ(request.outcome, Outcome::kFailed);
      EXPECT_TRUE(std::isinf(*request.latency));
      EXPECT_GE(traffic.now(), request.assigned + 5);
      ++ended;
    }
  }
  EXPECT_GT(ended, 100u);
}

TEST(FlaggerRule, RollsBackAtTheLookAfterItsLastFailedCheckAndStepsOnOthers) {
  const auto rule = flagger_rule({});
  EXPECT_DOUBLE_EQ(rule->weight(), 0.05);
  EXPECT_EQ(rule->next(requests(100, 1), 60), Ending::kUndecided);
  EXPECT_DOUBLE_EQ(rule->weight(), 0.1);
  for (int i = 2; i <= 6; ++i)
    EXPECT_EQ(rule->next(requests(i == 2 ? 0 : 100, 2), 60 * i), Ending::kUndecided);
  EXPECT_DOUBLE_EQ(rule->weight(), 0.1);
  EXPECT_EQ(rule->next(requests(100, 0), 60 * 7), Ending::kRolledBack);
}

TEST(FlaggerRule, PromotesAfterACheckAtItsMostWeight) {
  const auto rule = flagger_rule({.initial_weight = 40});
  EXPECT_EQ(rule->next(requests(10, 0), 60), Ending::kUndecided);
  EXPECT_EQ(rule->next(requests(10, 0), 120), Ending::kUndecided);
  EXPECT_DOUBLE_EQ(rule->weight(), 0.5);
  EXPECT_EQ(rule->next(requests(10, 0), 180), Ending::kPromoted);
}

TEST(ArgoRule, AbortsOnOneFailureMoreThanItsLimitAndMeasuresNothingWithoutRequests) {
  const auto rule = argo_rule({.step = Seconds(1e6)});
  EXPECT_EQ(rule->next({}, 300), Ending::kUndecided);
  for (int i = 2; i <= 4; ++i) EXPECT_EQ(rule->next(requests(100, 6), 300 * i), Ending::kUndecided);
  EXPECT_EQ(rule->next(requests(100, 5), 1500), Ending::kUndecided) << "95 % is enough";
  EXPECT_EQ(rule->next(requests(100, 6), 1800), Ending::kRolledBack);
}

TEST(ArgoRule, PromotesAfterItsLastStep) {
  const auto rule = argo_rule({});
  EXPECT_DOUBLE_EQ(rule->weight(), 0.2);
  EXPECT_EQ(rule->next({}, 2399), Ending::kUndecided);
  EXPECT_DOUBLE_EQ(rule->weight(), 0.8);
  EXPECT_EQ(rule->next({}, 2400), Ending::kPromoted);
}

TEST(Simulation, FollowsWeightsSetByHand) {
  class Watches final : public Rule {
   public:
    Ending next(std::vector<Request>, double) override { return Ending::kUndecided; }
    double weight() const override { return weight_ / 100.0; }
    void set_weight(int weight) override { weight_ = weight; }

   private:
    int weight_ = 10;
  };
  World world;
  world.by_hand = {{.at = 5, .weight = 70}, {.at = 1e6, .weight = 20}};
  Traffic traffic(world, 1);
  Watches rule;
  simulate(rule, world, traffic, 4);
  EXPECT_DOUBLE_EQ(rule.weight(), 0.1);
  simulate(rule, world, traffic, 10);
  EXPECT_DOUBLE_EQ(rule.weight(), 0.7);
}

// Where the second of two further scorers finds the candidate worse, by far.
Tally rehearse_scored(MetricKind kind, const Scoring& scoring) {
  Rehearsal rehearsal{.horizon = 120, .runs = 8};
  rehearsal.world.rate = 100;
  rehearsal.world.stable.scorers = {{.mean = 0.9}, {.mean = 0.9}};
  rehearsal.world.candidate.scorers = {{.mean = 0.9}, {.mean = 0.5}};
  const AnalysisSpec analysis{
      .metrics = {{.name = "quality", .kind = kind, .margin = 0.05, .harm_margin = 0.025}}};
  return rehearse(rehearsal, [&](std::span<const Request> history) {
    return serin_rule({}, analysis, history, scoring);
  });
}

TEST(SerinRule, DecidesByTheScoresThatItIsToldTo) {
  const auto kLate = MetricKind::kLateScore;
  EXPECT_EQ(rehearse_scored(kLate, {.late = {{.place = 2}}}).rolled_back, 8);
  EXPECT_EQ(rehearse_scored(kLate, {.late = {{.place = 1}}}).rolled_back, 0);
  EXPECT_EQ(rehearse_scored(kLate, {.late = {{.place = 2, .sample = 0}}}).rolled_back, 0);
  const auto kScore = MetricKind::kScore;
  EXPECT_EQ(rehearse_scored(kScore, {.with_answers = {2}}).rolled_back, 8);
  EXPECT_EQ(rehearse_scored(kScore, {.with_answers = {0}}).rolled_back, 0);
}

TEST(SerinRule, TakesLongerWhereFewerAnswersAreScored) {
  const auto after = [](double sample) {
    return sorted_quantile(
        rehearse_scored(MetricKind::kLateScore, {.late = {{.place = 2, .sample = sample}}})
            .rolled_back_after,
        0.5);
  };
  EXPECT_GT(after(0.2), 2 * after(1));
}

TEST(Rehearsal, IsTheSameForEveryNumberOfThreads) {
  Rehearsal rehearsal{.horizon = 60, .runs = 8, .seed = 4};
  rehearsal.world.candidate.error_rate = 0.2;
  const AnalysisSpec analysis{
      .metrics = {{.name = "errorRate", .kind = MetricKind::kErrorRate, .margin = 0.002}}};
  const auto rule = [&](std::span<const Request> history) {
    return serin_rule({}, analysis, history);
  };
  const Tally one = rehearse(rehearsal, rule);
  rehearsal.threads = 3;
  const Tally three = rehearse(rehearsal, rule);
  EXPECT_GE(one.rolled_back, 7);
  EXPECT_EQ(one.rolled_back_after, three.rolled_back_after);
  EXPECT_EQ(one.bad, three.bad);
}

TEST(Wald, IsTheTableOfTheLiterature) {
  // ln(100) / g for 0.1 % against 0.5 %, at 10 % and at half of the traffic.
  EXPECT_NEAR(wald_requests(0.001, 0.005, 0.1, 0.01), 13'772, 5);
  EXPECT_NEAR(wald_requests(0.001, 0.005, 0.5, 0.01), 6310, 5);
  EXPECT_TRUE(std::isinf(wald_requests(0.005, 0.005, 0.1, 0.01)));
}

TEST(Wilson, IsNoPointWhereNothingWasSeen) {
  EXPECT_NEAR(wilson(0, 1000).high, 0.0038, 1e-4);
  EXPECT_NEAR(wilson(0, 1000).low, 0, 1e-12);
  EXPECT_NEAR(wilson(10, 1000).low, 0.0054, 1e-4);
  EXPECT_NEAR(wilson(10, 1000).high, 0.0183, 1e-4);
}

}  // namespace
}  // namespace serin::rollout
