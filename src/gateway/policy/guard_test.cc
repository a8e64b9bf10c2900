// SPDX-License-Identifier: Apache-2.0
#include "gateway/policy/guard.h"

#include <gtest/gtest.h>

#include <vector>

#include "gateway/policy/seconds.h"

namespace serin::gateway {
namespace {

using std::chrono::seconds;

constexpr Attempt kGood{AttemptEnd::kAnswered, {}, {}};
constexpr Attempt kBad{AttemptEnd::kServerError, {}, {}};

class ServiceGuard : public ::testing::Test {
 protected:
  void SetUp() override {
    limits_.max_concurrent_calls = 10;
    set();
  }
  void set() { guard_.set(limits_); }

  Result<Guard::Entry> begin(const std::string& client = "", Priority priority = Priority::kHigh,
                             Duration within = seconds(60)) {
    return guard_.begin(
        {.client = client, .priority = priority, .first_token_within = within, .prompt_bytes = 100},
        clock_.now());
  }
  // What refused it, or "", and then it is in flight.
  std::string hold(const std::string& client = "", Priority priority = Priority::kHigh) {
    auto entry = begin(client, priority);
    if (!entry) return entry.error().reason;
    held_.push_back(std::move(*entry));
    return "";
  }
  void release(std::size_t place) {
    guard_.ended(held_[place], kGood, clock_.now());
    held_.erase(held_.begin() + static_cast<std::ptrdiff_t>(place));
  }
  // A whole request.
  std::string call(const Attempt& end, Duration first_token = milliseconds(10)) {
    auto entry = begin();
    if (!entry) return entry.error().reason;
    clock_.advance(first_token);
    if (end.end == AttemptEnd::kAnswered) guard_.first_token(*entry, clock_.now());
    guard_.ended(*entry, end, clock_.now());
    return "";
  }
  Guard::Snapshot snapshot() { return guard_.snapshot(clock_.now()); }

  ManualClock clock_;
  GuardLimits limits_;
  Guard guard_;
  std::vector<Guard::Entry> held_;
};

TEST_F(ServiceGuard, RefusesBeyondItsBulkhead) {
  for (int i = 0; i < 10; ++i) EXPECT_EQ(hold(), "");
  const auto refused = begin();
  ASSERT_FALSE(refused.has_value());
  EXPECT_EQ(refused.error().reason, "bulkhead_full");
  EXPECT_EQ(refused.error().code, Code::kUnavailable);
  EXPECT_EQ(refused.error().retry_after, milliseconds(1000));
  release(0);
  EXPECT_EQ(hold(), "");
}

TEST_F(ServiceGuard, RefusesLowPrioritiesFirst) {
  for (int i = 0; i < 7; ++i) EXPECT_EQ(hold("", Priority::kLow), "");
  EXPECT_EQ(hold("", Priority::kLow), "shed");
  for (int i = 0; i < 2; ++i) EXPECT_EQ(hold("", Priority::kNormal), "");
  EXPECT_EQ(hold("", Priority::kNormal), "shed");
  EXPECT_EQ(hold("", Priority::kHigh), "");
  EXPECT_EQ(hold("", Priority::kHigh), "bulkhead_full");
}

TEST_F(ServiceGuard, AFullServiceIsSharedAmongItsClients) {
  for (int i = 0; i < 10; ++i) EXPECT_EQ(hold("greedy"), "") << "alone it may have all";
  EXPECT_EQ(hold("modest"), "bulkhead_full");
  release(0);
  EXPECT_EQ(hold("greedy"), "over_fair_share") << "the other one was refused a moment ago";
  EXPECT_EQ(hold("modest"), "");
  clock_.advance(seconds(3));
  for (int i = 0; i < 6; ++i) release(0);
  EXPECT_EQ(hold("greedy"), "") << "there is room again";
}

TEST_F(ServiceGuard, OpensItsBreaker) {
  limits_.breaker.mode = BreakerLimits::Mode::kOn;
  set();
  for (int i = 0; i < 100; ++i) EXPECT_EQ(call(kBad), "");
  EXPECT_EQ(snapshot().breaker, BreakerState::kOpen);
  EXPECT_EQ(snapshot().breaker_opened, 1U);
  const auto refused = begin();
  ASSERT_FALSE(refused.has_value());
  EXPECT_EQ(refused.error().reason, "circuit_open");
  EXPECT_EQ(refused.error().retry_after, seconds(60));
  EXPECT_EQ(snapshot().in_flight, 0);
  clock_.advance(seconds(60));
  for (int i = 0; i < 10; ++i) EXPECT_EQ(call(kGood), "");
  EXPECT_EQ(snapshot().breaker, BreakerState::kClosed);
}

TEST_F(ServiceGuard, ShedsWhatWouldBeLate) {
  limits_.max_concurrent_calls = 1000;
  set();
  for (int i = 0; i < 50; ++i) EXPECT_EQ(call(kGood, milliseconds(100)), "");
  for (int i = 0; i < 40; ++i) EXPECT_EQ(hold(), "");
  clock_.advance(seconds(3));
  const auto refused = begin("", Priority::kHigh, seconds(1));
  ASSERT_FALSE(refused.has_value());
  EXPECT_EQ(refused.error().reason, "shed");
  EXPECT_GE(*refused.error().retry_after, seconds(1));
  EXPECT_TRUE(begin("", Priority::kHigh, seconds(60)).has_value());
  limits_.shed_deadlines = false;
  set();
  EXPECT_TRUE(begin("", Priority::kHigh, seconds(1)).has_value());
}

TEST_F(ServiceGuard, KeepsTheAdaptiveLimit) {
  limits_ = {.breaker = {}, .adaptive = {.enabled = true, .min_limit = 2, .initial_limit = 5}};
  Guard guard;
  guard.set(limits_);
  EXPECT_EQ(guard.snapshot(clock_.now()).limit, 5);
  limits_.adaptive.max_limit = 4;
  guard.set(limits_);
  EXPECT_EQ(guard.snapshot(clock_.now()).limit, 4);
}

TEST_F(ServiceGuard, HedgesByWhatItSaw) {
  limits_.hedging = {.quantile = 0.9, .max_extra_load = 0.5};
  set();
  for (int i = 0; i < 60; ++i) call(kGood, milliseconds(100));
  const auto delay = guard_.hedge_delay(true, 1);
  ASSERT_TRUE(delay);
  EXPECT_NEAR(to_seconds(*delay), 0.1, 0.006);
  EXPECT_TRUE(guard_.spend_hedge());
}

TEST_F(ServiceGuard, CountsWhoWaitsForAFirstToken) {
  hold();
  hold();
  EXPECT_EQ(snapshot().waiting, 2U);
  guard_.first_token(held_[0], clock_.now());
  guard_.first_token(held_[0], clock_.now());
  EXPECT_EQ(snapshot().waiting, 1U);
  release(1);
  release(0);
  EXPECT_EQ(snapshot().waiting, 0U);
  EXPECT_EQ(snapshot().in_flight, 0);
}

}  // namespace
}  // namespace serin::gateway
