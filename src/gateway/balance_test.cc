// SPDX-License-Identifier: Apache-2.0
#include "gateway/balance.h"

#include <gtest/gtest.h>

#include <map>
#include <vector>

#include "gateway/hash.h"

namespace serin::gateway {
namespace {

using Balancer = Resilience::Balancer;

std::vector<Choice> replicas(std::initializer_list<std::uint32_t> in_flight) {
  std::vector<Choice> choices;
  for (const std::uint32_t load : in_flight)
    choices.push_back(
        {.id_hash = hash_bytes(std::to_string(choices.size()), 0), .in_flight = load});
  return choices;
}

Draw draw(std::uint64_t number) {
  return {.random = mix(number + 1, 0x9e3779b97f4a7c15), .turn = number, .prefix = {}};
}

std::map<std::size_t, int> picks(Balancer balancer, const std::vector<Choice>& choices,
                                 int count = 3000) {
  std::map<std::size_t, int> times;
  for (int i = 0; i < count; ++i)
    ++times[pick(balancer, choices, draw(static_cast<std::uint64_t>(i))).value()];
  return times;
}

TEST(Balance, HasNobodyToPickWithoutReplicas) {
  EXPECT_FALSE(pick(Balancer::kLeastRequest, {}, draw(0)));
}

TEST(LeastRequest, SpreadsEvenlyOverIdleReplicas) {
  for (const auto& [place, times] : picks(Balancer::kLeastRequest, replicas({0, 0, 0})))
    EXPECT_NEAR(times, 1000, 150) << place;
}

TEST(LeastRequest, NeverPicksTheBusiest) {
  const auto times = picks(Balancer::kLeastRequest, replicas({9, 3, 1}));
  EXPECT_FALSE(times.contains(0));
  EXPECT_GT(times.at(2), times.at(1));
}

TEST(RoundRobin, GoesInTurnOverThoseThatAreOpen) {
  auto choices = replicas({5, 0, 0});
  choices[1].open = false;
  for (std::uint64_t i = 0; i < 6; ++i)
    EXPECT_EQ(pick(Balancer::kRoundRobin, choices, draw(i)), i % 2 == 0 ? 0u : 2u);
}

TEST(Balance, GoesBackToATriedReplicaOnlyWhenAllWereTried) {
  auto choices = replicas({0, 9, 9});
  choices[0].tried = true;
  EXPECT_FALSE(picks(Balancer::kLeastRequest, choices).contains(0));
  choices[1].tried = choices[2].tried = true;
  EXPECT_TRUE(picks(Balancer::kLeastRequest, choices).contains(0));
}

TEST(Balance, PrefersAnUntriedClosedReplicaToATriedOpenOne) {
  auto choices = replicas({0, 0});
  choices[0].tried = true;
  choices[1].open = false;
  EXPECT_EQ(picks(Balancer::kLeastRequest, choices).size(), 1u);
  EXPECT_EQ(pick(Balancer::kLeastRequest, choices, draw(1)), 1u);
}

TEST(Balance, UsesAllWhenPoliciesHaveClosedAll) {
  auto choices = replicas({0, 0, 0});
  for (Choice& choice : choices) choice.open = false;
  EXPECT_EQ(picks(Balancer::kLeastRequest, choices).size(), 3u);
}

Draw with_prefix(std::string_view prompt) {
  Draw made = draw(0);
  made.prefix = hash_bytes(prompt, 0);
  return made;
}

TEST(PrefixAware, KeepsAConversationAtOneReplicaAndSpreadsOthers) {
  const auto choices = replicas({1, 1, 1, 1});
  std::map<std::size_t, int> times;
  for (int i = 0; i < 400; ++i) {
    const Draw of = with_prefix("conversation " + std::to_string(i));
    const auto place = pick(Balancer::kPrefixAware, choices, of);
    EXPECT_EQ(pick(Balancer::kPrefixAware, choices, of), place);
    ++times[*place];
  }
  for (const auto& [place, count] : times) EXPECT_NEAR(count, 100, 40) << place;
}

TEST(PrefixAware, MovesOnlyWhatBelongedToAReplicaThatWent) {
  auto choices = replicas({1, 1, 1, 1});
  auto fewer = choices;
  fewer[2].open = false;
  for (int i = 0; i < 200; ++i) {
    const Draw of = with_prefix("conversation " + std::to_string(i));
    const auto before = pick(Balancer::kPrefixAware, choices, of);
    if (before != 2u) EXPECT_EQ(pick(Balancer::kPrefixAware, fewer, of), before);
  }
}

TEST(PrefixAware, LeavesABusyReplicaAlone) {
  const auto idle = replicas({0, 0, 0});
  const Draw of = with_prefix("the same beginning");
  const std::size_t home = pick(Balancer::kPrefixAware, idle, of).value();
  auto busy = idle;
  busy[home].in_flight = 30;
  EXPECT_NE(pick(Balancer::kPrefixAware, busy, of), home);
}

TEST(PrefixAware, IsLeastRequestForWhatHasNoPrompt) {
  EXPECT_FALSE(picks(Balancer::kPrefixAware, replicas({9, 3, 1})).contains(0));
}

}  // namespace
}  // namespace serin::gateway
