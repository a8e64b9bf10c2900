// SPDX-License-Identifier: Apache-2.0
// Retry budgets, back-off, hedging, and the times that hedging is decided by.
#include <gtest/gtest.h>

#include "gateway/policy/hedge.h"
#include "gateway/policy/recent_times.h"
#include "gateway/policy/retry_budget.h"
#include "gateway/policy/seconds.h"

namespace serin::gateway {
namespace {

TEST(RetryBudget, IsAShareOfWhatIsInFlight) {
  const RetryBudget budget{.share = 0.2, .min_retry_concurrency = 3};
  EXPECT_TRUE(may_retry(budget, 100, 19));
  EXPECT_FALSE(may_retry(budget, 100, 20));
}

TEST(RetryBudget, HasAFloor) {
  const RetryBudget budget{.share = 0.2, .min_retry_concurrency = 3};
  EXPECT_TRUE(may_retry(budget, 1, 2));
  EXPECT_FALSE(may_retry(budget, 1, 3));
  EXPECT_FALSE(may_retry({.share = 0, .min_retry_concurrency = 0}, 1000, 0));
}

TEST(RetryBackoff, DoublesUpToTenTimesTheBase) {
  const milliseconds base(25);
  const double most = 0.999999;
  for (const auto& [number, expected] :
       {std::pair{1, 25}, {2, 50}, {3, 100}, {4, 200}, {5, 250}, {9, 250}, {1000, 250}}) {
    EXPECT_NEAR(to_seconds(retry_backoff(base, number, most)) * 1000, expected, 0.01) << number;
    EXPECT_EQ(retry_backoff(base, number, 0), Duration{});
  }
  EXPECT_NEAR(to_seconds(retry_backoff(base, 3, 0.25)) * 1000, 25, 0.01);
}

TEST(RecentTimes, GiveQuantilesWithinFivePercent) {
  RecentTimes times(10'000);
  for (int i = 1; i <= 1000; ++i) times.add(milliseconds(i));
  for (const double q : {0.1, 0.5, 0.95, 0.99})
    EXPECT_NEAR(to_seconds(times.quantile(q)), q, q * 0.05) << q;
  EXPECT_EQ(RecentTimes().quantile(0.5), Duration{});
}

TEST(RecentTimes, ForgetByAndBy) {
  RecentTimes times(100);
  for (int i = 0; i < 1000; ++i) times.add(milliseconds(10));
  for (int i = 0; i < 200; ++i) times.add(milliseconds(500));
  EXPECT_GT(times.quantile(0.5), milliseconds(400));
  EXPECT_LE(times.count(), 100);
}

TEST(RecentTimes, TakeTimesBeyondTheirRange) {
  RecentTimes times;
  times.add(Duration{});
  EXPECT_LT(times.quantile(0.5), milliseconds(1));
  times.clear();
  times.add(std::chrono::hours(100));
  EXPECT_GT(times.quantile(0.5), std::chrono::minutes(10));
}

class Hedge : public ::testing::Test {
 protected:
  void SetUp() override { hedging_.set({.quantile = 0.9, .max_extra_load = 0.1}); }
  void learn(int times = 100) {
    for (int i = 0; i < times; ++i) hedging_.first_byte(milliseconds(i % 10 == 9 ? 400 : 40));
  }
  Hedging hedging_;
};

TEST_F(Hedge, IsSentAfterTheQuantileOfFirstBytes) {
  learn();
  const auto delay = hedging_.delay(true, 1);
  ASSERT_TRUE(delay);
  EXPECT_NEAR(to_seconds(*delay), 0.04, 0.003);
}

TEST_F(Hedge, IsSentOnlyWhereResultsAreBitwiseTheSame) {
  learn();
  EXPECT_FALSE(hedging_.delay(false, 1));
}

TEST_F(Hedge, NeedsAnotherReplicaAndEnoughTimes) {
  learn(49);
  EXPECT_FALSE(hedging_.delay(true, 3));
  learn(2);
  EXPECT_TRUE(hedging_.delay(true, 3));
  EXPECT_FALSE(hedging_.delay(true, 0));
}

TEST_F(Hedge, IsNeverSentSoonerThanTheLeastDelay) {
  hedging_.set({.quantile = 0.9, .max_extra_load = 0.1, .min_delay = milliseconds(300)});
  learn();
  EXPECT_EQ(hedging_.delay(true, 1), milliseconds(300));
}

TEST_F(Hedge, CostsAtMostItsShareOfTheRequests) {
  EXPECT_FALSE(hedging_.spend()) << "nothing is earned yet";
  int hedges = 0;
  for (int i = 0; i < 1000; ++i) {
    hedging_.began();
    hedges += hedging_.spend() ? 1 : 0;
  }
  EXPECT_GE(hedges, 98);
  EXPECT_LE(hedges, 100);
}

TEST_F(Hedge, AQuietTimeSavesUpATen) {
  for (int i = 0; i < 10'000; ++i) hedging_.began();
  int hedges = 0;
  while (hedging_.spend()) ++hedges;
  EXPECT_EQ(hedges, 10);
}

TEST_F(Hedge, IsOffByDefault) {
  Hedging hedging;
  hedging.set({});
  for (int i = 0; i < 100; ++i) {
    hedging.began();
    hedging.first_byte(milliseconds(40));
  }
  EXPECT_FALSE(hedging.delay(true, 3));
  EXPECT_FALSE(hedging.spend());
}

}  // namespace
}  // namespace serin::gateway
