// SPDX-License-Identifier: Apache-2.0
#include "control/schema/world.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace serin::control {
namespace {

constexpr std::string_view kHead = "apiVersion: serin.dev/v1alpha1\nkind: World\n";

std::string error_of(const std::string& text, const std::vector<std::string>& scorers = {}) {
  const auto world = read_world(text, "w.yaml", scorers);
  return world ? "no error" : world.error().message;
}

TEST(World, HasADefaultForEverything) {
  const auto read = read_world(kHead, "w.yaml", {});
  ASSERT_TRUE(read) << read.error().message;
  EXPECT_DOUBLE_EQ(read->world.rate, 20);
  EXPECT_DOUBLE_EQ(read->horizon, 7200);
  EXPECT_DOUBLE_EQ(read->world.stable.error_rate, 0.001);
  EXPECT_DOUBLE_EQ(read->world.candidate.error_rate, 0.001);
  EXPECT_DOUBLE_EQ(read->world.incident_every, 0);
  EXPECT_TRUE(read->world.by_hand.empty());
}

TEST(World, TheCandidateIsAsTheStableVersionWhereItSaysNothingElse) {
  const auto read = read_world(std::string(kHead) + R"(traffic: {rate: 200, dailySwing: 50%}
horizon: 30m
stable: {errorRate: 0.5%, burst: 5, burstBy: version, latency: 150ms, workers: 3}
candidate: {errorRate: 1%, coldRequests: 40}
users: {count: 1000, zipf: 1.1, bad: 2%}
incidents: {every: 10m}
drift: 2
byHand: [{at: 1m, weight: 30}, {at: 2m, weight: 10}]
)",
                               "w.yaml", {});
  ASSERT_TRUE(read) << read.error().message;
  const rollout::World& world = read->world;
  EXPECT_DOUBLE_EQ(world.daily_swing, 0.5);
  EXPECT_DOUBLE_EQ(world.candidate.error_rate, 0.01);
  EXPECT_DOUBLE_EQ(world.candidate.burst, 5);
  EXPECT_EQ(world.candidate.burst_by, rollout::BurstBy::kVersion);
  EXPECT_EQ(world.candidate.workers, 3u);
  EXPECT_EQ(world.candidate.cold_requests, 40u);
  EXPECT_EQ(world.stable.cold_requests, 0u);
  EXPECT_DOUBLE_EQ(world.candidate.latency, 0.15);
  EXPECT_EQ(world.users, 1000u);
  EXPECT_DOUBLE_EQ(world.incident_every, 600);
  EXPECT_DOUBLE_EQ(world.incident_length, 300);
  EXPECT_DOUBLE_EQ(world.drift, 2);
  ASSERT_EQ(world.by_hand.size(), 2u);
  EXPECT_EQ(world.by_hand[0].weight, 30);
}

TEST(World, SaysHowTheScorersOfTheManifestScoreInTheirOrder) {
  const auto read = read_world(std::string(kHead) + R"(stable:
  scorers: [{name: tone, mean: 0.9}, {name: judge, mean: 80%, deviation: 0.2}]
candidate: {scorers: [{name: judge, mean: 0.7}]}
)",
                               "w.yaml", {"judge", "tone"});
  ASSERT_TRUE(read) << read.error().message;
  const auto& stable = read->world.stable.scorers;
  const auto& candidate = read->world.candidate.scorers;
  ASSERT_EQ(stable.size(), 2u);
  ASSERT_EQ(candidate.size(), 2u);
  EXPECT_DOUBLE_EQ(stable[0].mean, 0.8);
  EXPECT_DOUBLE_EQ(stable[0].deviation, 0.2);
  EXPECT_DOUBLE_EQ(stable[1].mean, 0.9);
  EXPECT_DOUBLE_EQ(stable[1].deviation, 0.5);
  EXPECT_DOUBLE_EQ(candidate[0].mean, 0.7);
  EXPECT_DOUBLE_EQ(candidate[0].deviation, 0.2);
  EXPECT_DOUBLE_EQ(candidate[1].mean, 0.9);
}

TEST(World, HasTheScorersOfTheManifestAndNoOthers) {
  const std::string head(kHead);
  EXPECT_THAT(error_of(head, {"judge"}),
              testing::StartsWith("w.yaml:1:1: stable.scorers: judge is missing"));
  EXPECT_THAT(error_of(head + "stable: {burst: 2}\n", {"judge"}),
              testing::StartsWith("w.yaml:3:9: stable.scorers: judge is missing"));
  EXPECT_THAT(error_of(head + "stable: {scorers: [{name: judge, mean: 1}]}\n"),
              testing::StartsWith("w.yaml:3:27: stable.scorers[0].name: no metric of the manifest "
                                  "has the scorer judge"));
  EXPECT_THAT(error_of(head + "candidate: {scorers: [{name: judge}]}\n"),
              testing::StartsWith("w.yaml:3:30: candidate.scorers[0].name: no metric"));
  EXPECT_THAT(
      error_of(head + "stable: {scorers: [{name: a, mean: 1}, {name: a, mean: 0}]}\n", {"a"}),
      testing::StartsWith("w.yaml:3:40: stable.scorers[1].name: a is there twice"));
  EXPECT_THAT(error_of(head + "stable: {scorers: [{name: a}]}\n", {"a"}),
              testing::StartsWith("w.yaml:3:20: stable.scorers[0]: mean is missing"));
}

TEST(World, HasNoScoresThatAreWiderThanTheirMeanAllows) {
  const std::string stable =
      std::string(kHead) + "stable: {scorers: [{name: a, mean: 0.8, deviation: 0.4}]}\n";
  EXPECT_EQ(error_of(stable, {"a"}), "no error") << "each is 0 or 1";
  EXPECT_THAT(error_of(stable + "candidate: {scorers: [{name: a, mean: 0.9}]}\n", {"a"}),
              testing::StartsWith("w.yaml:4:23: candidate.scorers[0]: a deviation of 0.4 is more "
                                  "than scores of mean 0.9 can have, 0.3"));
}

TEST(World, ErrorsNameThePlace) {
  EXPECT_THAT(error_of(std::string(kHead) + "stable: {eroorRate: 1%}\n"),
              testing::AllOf(testing::HasSubstr("w.yaml:3:10"), testing::HasSubstr("errorRate")));
  EXPECT_THAT(error_of(std::string(kHead) + "traffic: {deadline: 2h}\n"),
              testing::HasSubstr("w.yaml:3:21: traffic.deadline: must be at most 1h"));
  EXPECT_THAT(
      error_of(std::string(kHead) + "byHand: [{at: 2m, weight: 30}, {at: 1m, weight: 10}]\n"),
      testing::HasSubstr("byHand[1].at"));
  EXPECT_THAT(error_of("kind: [\n"), testing::HasSubstr("w.yaml:"));
}

}  // namespace
}  // namespace serin::control
