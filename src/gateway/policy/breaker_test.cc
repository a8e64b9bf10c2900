// SPDX-License-Identifier: Apache-2.0
#include "gateway/policy/breaker.h"

#include <gtest/gtest.h>

namespace serin::gateway {
namespace {

using std::chrono::seconds;
using Mode = BreakerLimits::Mode;

constexpr Attempt kGood{AttemptEnd::kAnswered, milliseconds(10), {}};
constexpr Attempt kBad{AttemptEnd::kServerError, {}, {}};

class CircuitBreaker : public ::testing::Test {
 protected:
  void SetUp() override { limits_.mode = Mode::kOn; }

  Breaker& breaker() {
    if (!breaker_) breaker_.emplace(limits_);
    return *breaker_;
  }
  // Calls one after another; returns how many were refused.
  int call(const Attempt& attempt, int times = 1) {
    int refused = 0;
    for (int i = 0; i < times; ++i) {
      const auto permit = breaker().ask(clock_.now());
      if (permit.granted) {
        breaker().ended(permit, attempt, clock_.now());
      } else {
        ++refused;
      }
    }
    return refused;
  }
  void calls(int bad, int good) {
    call(kBad, bad);
    call(kGood, good);
  }
  BreakerState state() { return breaker().state(clock_.now()); }
  void open() {
    call(kBad, 100);
    ASSERT_EQ(state(), BreakerState::kOpen);
  }

  ManualClock clock_;
  BreakerLimits limits_;
  std::optional<Breaker> breaker_;
};

TEST_F(CircuitBreaker, OpensWhenHalfOfAHundredCallsFailed) {
  calls(49, 51);
  EXPECT_EQ(state(), BreakerState::kClosed);
  calls(1, 0);  // takes the place of the oldest, which failed too
  EXPECT_EQ(state(), BreakerState::kClosed);
  calls(0, 48);
  calls(50, 0);
  EXPECT_EQ(state(), BreakerState::kOpen);
  EXPECT_EQ(call(kGood, 5), 5);
  EXPECT_EQ(breaker().opened(), 1U);
}

TEST_F(CircuitBreaker, SaysNothingBeforeEnoughCalls) {
  call(kBad, 99);
  EXPECT_EQ(state(), BreakerState::kClosed);
  call(kBad);
  EXPECT_EQ(state(), BreakerState::kOpen);
}

TEST_F(CircuitBreaker, NeedsNoMoreCallsThanItsWindowHolds) {
  limits_.sliding_window_size = 10;
  call(kBad, 10);
  EXPECT_EQ(state(), BreakerState::kOpen);
}

TEST_F(CircuitBreaker, ABusyAnswerIsNoFailure) {
  call({AttemptEnd::kFull, {}, {}}, 500);
  EXPECT_EQ(state(), BreakerState::kClosed);
}

TEST_F(CircuitBreaker, AClientThatLeavesIsNotCounted) {
  call({AttemptEnd::kAbandoned, {}, {}}, 500);
  EXPECT_EQ(breaker().failure_rate(), 0);
  call(kBad, 99);
  EXPECT_EQ(state(), BreakerState::kClosed);
}

TEST_F(CircuitBreaker, OpensForSlowFirstTokens) {
  limits_.slow_call_duration_threshold = milliseconds(200);
  limits_.slow_call_rate_threshold = 60;
  call({AttemptEnd::kAnswered, milliseconds(201), {}}, 59);
  call({AttemptEnd::kAnswered, milliseconds(200), {}}, 41);
  EXPECT_EQ(state(), BreakerState::kClosed);
  EXPECT_EQ(breaker().slow_rate(), 59);
  call({AttemptEnd::kAnswered, milliseconds(100), {}}, 40);
  call({AttemptEnd::kAnswered, milliseconds(201), {}}, 60);
  EXPECT_EQ(state(), BreakerState::kOpen);
}

TEST_F(CircuitBreaker, OpensForSlowTokens) {
  limits_.slow_token_duration_threshold = milliseconds(50);
  call({AttemptEnd::kAnswered, milliseconds(1), milliseconds(51)}, 100);
  EXPECT_EQ(state(), BreakerState::kOpen);
}

TEST_F(CircuitBreaker, ThresholdsOfZeroDurationCallNothingSlow) {
  limits_.slow_call_duration_threshold = milliseconds(0);
  call({AttemptEnd::kAnswered, std::chrono::hours(1), std::chrono::hours(1)}, 200);
  EXPECT_EQ(state(), BreakerState::kClosed);
}

TEST_F(CircuitBreaker, LetsTrialCallsThroughAfterAMinute) {
  open();
  clock_.advance(seconds(60) - milliseconds(1));
  EXPECT_EQ(call(kGood), 1);
  clock_.advance(milliseconds(1));
  EXPECT_EQ(state(), BreakerState::kHalfOpen);
  std::vector<Breaker::Permit> trials;
  for (int i = 0; i < 10; ++i) {
    trials.push_back(breaker().ask(clock_.now()));
    EXPECT_TRUE(trials.back().granted);
  }
  EXPECT_FALSE(breaker().ask(clock_.now()).granted) << "ten are on trial";
  for (const auto& permit : trials) breaker().ended(permit, kGood, clock_.now());
  EXPECT_EQ(state(), BreakerState::kClosed);
  EXPECT_EQ(call(kGood, 20), 0);
}

TEST_F(CircuitBreaker, OpensAgainWhenTrialCallsFail) {
  open();
  clock_.advance(seconds(60));
  calls(5, 5);
  EXPECT_EQ(state(), BreakerState::kOpen);
  EXPECT_EQ(breaker().opened(), 2U);
  clock_.advance(seconds(60));
  calls(4, 6);
  EXPECT_EQ(state(), BreakerState::kClosed);
}

TEST_F(CircuitBreaker, BeginsAnewWhenItCloses) {
  open();
  clock_.advance(seconds(60));
  call(kGood, 10);
  call(kBad, 99);
  EXPECT_EQ(state(), BreakerState::kClosed);
}

TEST_F(CircuitBreaker, GivesATrialBackThatSaysNothing) {
  limits_.permitted_number_of_calls_in_half_open_state = 1;
  open();
  clock_.advance(seconds(60));
  const auto first = breaker().ask(clock_.now());
  EXPECT_TRUE(first.granted);
  EXPECT_FALSE(breaker().ask(clock_.now()).granted);
  breaker().released(first);
  const auto second = breaker().ask(clock_.now());
  EXPECT_TRUE(second.granted);
  breaker().ended(second, {AttemptEnd::kAbandoned, {}, {}}, clock_.now());
  EXPECT_EQ(call(kGood), 0);
  EXPECT_EQ(state(), BreakerState::kClosed);
}

TEST_F(CircuitBreaker, CallsFromBeforeSayNothingOfATrial) {
  const auto old = breaker().ask(clock_.now());
  open();
  clock_.advance(seconds(60));
  ASSERT_EQ(state(), BreakerState::kHalfOpen);
  for (int i = 0; i < 10; ++i) breaker().ended(old, kBad, clock_.now());
  breaker().released(old);
  EXPECT_EQ(state(), BreakerState::kHalfOpen);
  EXPECT_EQ(call(kGood, 10), 0);
  EXPECT_EQ(state(), BreakerState::kClosed);
}

TEST_F(CircuitBreaker, WaitsForTrialsAsLongAsItMay) {
  limits_.max_wait_duration_in_half_open_state = milliseconds(5000);
  open();
  clock_.advance(seconds(60));
  EXPECT_EQ(state(), BreakerState::kHalfOpen);
  clock_.advance(seconds(5));
  EXPECT_EQ(state(), BreakerState::kOpen);
}

TEST_F(CircuitBreaker, AWindowOfTimeForgets) {
  limits_.sliding_window_type = BreakerLimits::Window::kTimeBased;
  limits_.sliding_window_size = 10;
  limits_.minimum_number_of_calls = 20;
  call(kBad, 19);
  clock_.advance(seconds(10));
  call(kBad, 19);
  EXPECT_EQ(state(), BreakerState::kClosed) << "the first are ten seconds old";
  clock_.advance(seconds(9));
  call(kBad, 1);
  EXPECT_EQ(state(), BreakerState::kOpen);
}

TEST_F(CircuitBreaker, SaysWhenToComeBack) {
  EXPECT_EQ(breaker().retry_after(clock_.now()), seconds(1));
  open();
  clock_.advance(seconds(20));
  EXPECT_EQ(breaker().retry_after(clock_.now()), seconds(40));
  clock_.advance(seconds(39) + milliseconds(500));
  EXPECT_EQ(breaker().retry_after(clock_.now()), seconds(1));
}

TEST_F(CircuitBreaker, ForMetricsOnlyRefusesNothing) {
  limits_.mode = Mode::kMetricsOnly;
  EXPECT_EQ(call(kBad, 100), 0);
  EXPECT_EQ(state(), BreakerState::kOpen);
  EXPECT_EQ(call(kBad, 100), 0);
  clock_.advance(seconds(60));
  EXPECT_EQ(call(kGood, 30), 0);
  EXPECT_EQ(state(), BreakerState::kClosed);
}

TEST_F(CircuitBreaker, DisabledItCountsNothing) {
  limits_.mode = Mode::kDisabled;
  EXPECT_EQ(call(kBad, 500), 0);
  EXPECT_EQ(state(), BreakerState::kClosed);
}

TEST_F(CircuitBreaker, ForcedOpenItRefusesEverything) {
  limits_.mode = Mode::kForcedOpen;
  EXPECT_EQ(call(kGood, 5), 5);
  EXPECT_EQ(state(), BreakerState::kOpen);
  clock_.advance(seconds(1000));
  EXPECT_EQ(call(kGood, 5), 5);
}

TEST_F(CircuitBreaker, OtherLimitsKeepWhatWasCounted) {
  call(kBad, 60);
  limits_.minimum_number_of_calls = 70;
  breaker().set(limits_);
  call(kBad, 10);
  EXPECT_EQ(state(), BreakerState::kOpen);
  limits_.sliding_window_size = 50;
  breaker().set(limits_);
  EXPECT_EQ(state(), BreakerState::kOpen);
}

}  // namespace
}  // namespace serin::gateway
