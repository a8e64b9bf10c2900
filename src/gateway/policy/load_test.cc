// SPDX-License-Identifier: Apache-2.0
// What is decided by load: the adaptive limit, shedding, the bulkhead with its priorities and
// fairness.
#include <gtest/gtest.h>

#include "gateway/policy/bulkhead.h"
#include "gateway/policy/concurrency.h"
#include "gateway/policy/seconds.h"
#include "gateway/policy/shed.h"

namespace serin::gateway {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

class AdaptiveConcurrency : public ::testing::Test {
 protected:
  // A second with 20 first tokens, all after `time`.
  void second(milliseconds time, int in_flight, std::uint64_t prompt = 1000) {
    for (int i = 0; i < 20; ++i) {
      clock_.advance(milliseconds(50));
      limit_.first_token(time, prompt, in_flight, clock_.now());
    }
  }
  void seconds_of(int count, milliseconds time, int in_flight) {
    for (int i = 0; i < count; ++i) second(time, in_flight);
  }

  ManualClock clock_;
  ConcurrencyLimit limit_{ConcurrencyLimits{.enabled = true}};
};

TEST_F(AdaptiveConcurrency, GrowsWhileTimesStay) {
  EXPECT_EQ(limit_.limit(), 20);
  seconds_of(30, milliseconds(100), 200);
  EXPECT_GT(limit_.limit(), 35);
  seconds_of(500, milliseconds(100), 200);
  EXPECT_EQ(limit_.limit(), 200) << "but not beyond the most";
}

TEST_F(AdaptiveConcurrency, DoesNotGrowWhereItIsNotReached) {
  seconds_of(60, milliseconds(100), 9);
  EXPECT_EQ(limit_.limit(), 20);
}

TEST_F(AdaptiveConcurrency, ShrinksWhenTimesGrow) {
  seconds_of(200, milliseconds(100), 200);
  const int before = limit_.limit();
  seconds_of(10, milliseconds(400), 200);
  EXPECT_LT(limit_.limit(), before / 2);
  seconds_of(40, milliseconds(400), 200);
  EXPECT_LT(limit_.limit(), 40);
  EXPECT_GE(limit_.limit(), 20) << "but not below the least";
}

TEST_F(AdaptiveConcurrency, ToleratesHalfAsMuchAgain) {
  seconds_of(100, milliseconds(100), 200);
  const int before = limit_.limit();
  seconds_of(10, milliseconds(140), 200);
  EXPECT_GE(limit_.limit(), before);
}

TEST_F(AdaptiveConcurrency, LongPromptsAreNoOverload) {
  for (int i = 0; i < 200; ++i) {
    second(milliseconds(20), 200, 500);
    second(milliseconds(900), 200, 200'000);
  }
  const int before = limit_.limit();
  EXPECT_EQ(before, 200);
  // Now nearly all are long.
  for (int i = 0; i < 20; ++i) second(milliseconds(900), 200, 200'000);
  EXPECT_EQ(limit_.limit(), before);
}

TEST_F(AdaptiveConcurrency, SlowTokensShrinkItToo) {
  const auto tokens = [&](milliseconds time, int count) {
    for (int i = 0; i < count * 20; ++i) {
      clock_.advance(milliseconds(50));
      limit_.per_token(time, 200, clock_.now());
    }
  };
  tokens(milliseconds(10), 200);
  const int before = limit_.limit();
  tokens(milliseconds(40), 20);
  EXPECT_LT(limit_.limit(), before / 2);
}

TEST_F(AdaptiveConcurrency, RecoversWhenTimesAreShortAgain) {
  seconds_of(50, milliseconds(100), 200);
  seconds_of(60, milliseconds(400), 200);
  const int low = limit_.limit();
  seconds_of(60, milliseconds(100), 200);
  EXPECT_GT(limit_.limit(), low + 20);
}

TEST_F(AdaptiveConcurrency, NewBoundsHoldAtOnce) {
  limit_.set({.enabled = true, .min_limit = 50, .max_limit = 60});
  EXPECT_EQ(limit_.limit(), 50);
}

class Shed : public ::testing::Test {
 protected:
  // `count` requests, each of which waits and is served before the next: what a token costs.
  void serve(int count, milliseconds each) {
    for (int i = 0; i < count; ++i) {
      const auto ticket = queue_.began(clock_.now());
      clock_.advance(each);
      queue_.first_token(ticket, clock_.now());
    }
  }
  void wait_for(int count) {
    for (int i = 0; i < count; ++i) waiting_.push_back(queue_.began(clock_.now()));
  }
  std::optional<Duration> ask(Duration remaining, Priority priority = Priority::kHigh) {
    return shed(queue_, remaining, priority, {}, clock_.now());
  }

  ManualClock clock_;
  FirstTokenQueue queue_;
  std::vector<FirstTokenQueue::Ticket> waiting_;
};

TEST_F(Shed, RefusesNothingWhenNothingIsKnown) {
  EXPECT_FALSE(ask(milliseconds(1)));
  wait_for(1000);
  clock_.advance(seconds(5));
  EXPECT_FALSE(ask(milliseconds(1)));
}

TEST_F(Shed, RefusesWhatCannotMakeItsDeadline) {
  serve(50, milliseconds(100));  // ten a second
  wait_for(40);                  // four seconds of them
  clock_.advance(milliseconds(2500));
  for (int i = 0; i < 20; ++i) {  // of which half were served meanwhile
    queue_.first_token(waiting_[static_cast<std::size_t>(i)], clock_.now());
  }
  EXPECT_FALSE(ask(seconds(5)));
  const auto wait = ask(seconds(1));
  ASSERT_TRUE(wait);
  EXPECT_GE(*wait, seconds(1)) << "what a client is told to wait";
  EXPECT_LT(*wait, seconds(3));
}

TEST_F(Shed, ASuddenCrowdIsNoQueueYet) {
  serve(50, milliseconds(100));
  wait_for(100);
  EXPECT_FALSE(ask(seconds(1))) << "the workers may serve them all at once";
  clock_.advance(milliseconds(5500));
  EXPECT_TRUE(ask(seconds(1))) << "and if they did not, it is one";
}

TEST_F(Shed, LowerPrioritiesGoFirst) {
  serve(50, milliseconds(100));
  wait_for(40);
  clock_.advance(milliseconds(3000));
  const double wait = to_seconds(queue_.wait(clock_.now()));
  ASSERT_GT(wait, 3);
  EXPECT_TRUE(ask(from_seconds(wait / 0.8), Priority::kLow));
  EXPECT_FALSE(ask(from_seconds(wait / 0.8), Priority::kNormal));
  EXPECT_TRUE(ask(from_seconds(wait / 0.95), Priority::kNormal));
  EXPECT_FALSE(ask(from_seconds(wait / 0.95), Priority::kHigh));
}

TEST_F(Shed, AQueueThatWasServedIsForgotten) {
  serve(50, milliseconds(100));
  wait_for(40);
  clock_.advance(seconds(3));
  for (const auto ticket : waiting_) queue_.first_token(ticket, clock_.now());
  EXPECT_EQ(queue_.waiting(), 0U);
  EXPECT_FALSE(ask(milliseconds(10)));
}

TEST_F(Shed, WhoGivesUpServesNobody) {
  serve(50, milliseconds(100));
  wait_for(40);
  clock_.advance(milliseconds(2500));
  const Duration before = queue_.wait(clock_.now());
  queue_.gave_up(waiting_.back(), clock_.now());
  queue_.gave_up(waiting_.back(), clock_.now());  // twice is once
  EXPECT_EQ(queue_.waiting(), 39U);
  EXPECT_LT(queue_.wait(clock_.now()), before);
}

TEST_F(Shed, IdleTimeIsNoSlowness) {
  for (int i = 0; i < 30; ++i) {
    serve(1, milliseconds(10));
    clock_.advance(seconds(2));
  }
  wait_for(5);
  clock_.advance(milliseconds(40));
  EXPECT_LT(to_seconds(queue_.wait(clock_.now())), 0.2);
}

TEST(Priorities, HaveNames) {
  for (const Priority one : {Priority::kLow, Priority::kNormal, Priority::kHigh})
    EXPECT_EQ(priority_of(name_of(one)), one);
  EXPECT_FALSE(priority_of("urgent"));
}

TEST(Bulkhead, IsFullAtItsLimit) {
  EXPECT_EQ(fit({.limit = 10, .in_flight = 8}), Fit::kFits);
  EXPECT_EQ(fit({.limit = 10, .in_flight = 10, .priority = Priority::kHigh}), Fit::kFull);
}

TEST(Bulkhead, KeepsAPartForHigherPriorities) {
  const auto at = [](int in_flight, Priority priority) {
    return fit({.limit = 100, .in_flight = in_flight, .priority = priority});
  };
  EXPECT_EQ(at(69, Priority::kLow), Fit::kFits);
  EXPECT_EQ(at(70, Priority::kLow), Fit::kPriority);
  EXPECT_EQ(at(89, Priority::kNormal), Fit::kFits);
  EXPECT_EQ(at(90, Priority::kNormal), Fit::kPriority);
  EXPECT_EQ(at(99, Priority::kHigh), Fit::kFits);
}

TEST(Bulkhead, OfOneServesOne) {
  for (const Priority one : {Priority::kLow, Priority::kNormal, Priority::kHigh})
    EXPECT_EQ(fit({.limit = 1, .in_flight = 0, .priority = one}), Fit::kFits);
}

TEST(Bulkhead, NearlyFullRefusesWhoHasMost) {
  const auto of = [](int mine, int clients, int in_flight = 80) {
    return fit({.limit = 100, .in_flight = in_flight, .clients = clients, .mine = mine});
  };
  EXPECT_EQ(of(60, 3), Fit::kUnfair);
  EXPECT_EQ(of(10, 3), Fit::kFits);
  EXPECT_EQ(of(0, 2), Fit::kFits) << "a client that has nothing yet";
  EXPECT_EQ(of(60, 3, 60), Fit::kFits) << "while there is room everybody may have it";
  EXPECT_EQ(of(80, 1), Fit::kFits) << "a client that is alone need not share";
}

TEST(Bulkhead, ClientsWhoAreNotKnownApartDoNotShare) {
  EXPECT_EQ(fit({.limit = 100, .in_flight = 85}), Fit::kFits);
}

}  // namespace
}  // namespace serin::gateway
