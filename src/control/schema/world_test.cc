// SPDX-License-Identifier: Apache-2.0
#include "control/schema/world.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace serin::control {
namespace {

constexpr std::string_view kHead = "apiVersion: serin.dev/v1alpha1\nkind: World\n";

std::string error_of(const std::string& text) {
  const auto world = read_world(text, "w.yaml");
  return world ? "no error" : world.error().message;
}

TEST(World, HasADefaultForEverything) {
  const auto read = read_world(kHead, "w.yaml");
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
                               "w.yaml");
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
