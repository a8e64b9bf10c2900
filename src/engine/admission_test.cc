// SPDX-License-Identifier: Apache-2.0
#include "engine/admission.h"

#include <gtest/gtest.h>

#include <atomic>
#include <thread>
#include <vector>

namespace serin::engine {
namespace {

using std::chrono::milliseconds;

JobPtr job(double cost = 1) {
  auto made = std::make_unique<Job>();
  made->cost = cost;
  made->sink = [](const Event&) {};
  return made;
}

class AdmissionTest : public ::testing::Test {
 protected:
  Admission::Taken look(Admission& admission, std::size_t places) {
    return admission.take(places, false, false, Instant::max());
  }
  ManualClock clock_;
};

TEST_F(AdmissionTest, RefusesBeyondTheCountAndSaysWhenToComeAgain) {
  Admission admission({2, 1e9, Duration(0)}, clock_);
  EXPECT_TRUE(admission.push(job(10), 4));
  EXPECT_TRUE(admission.push(job(10), 4));
  const auto refused = admission.push(job(), 4);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, Code::kResourceExhausted);
  EXPECT_EQ(refused.error().reason, "queue_full");
  EXPECT_EQ(refused.error().retry_after, milliseconds(5000));
  EXPECT_EQ(admission.numbers().waiting, 2u);
}

TEST_F(AdmissionTest, RefusesBeyondTheCostButLetsOneDearRequestThrough) {
  Admission admission({100, 10, Duration(0)}, clock_);
  EXPECT_TRUE(admission.push(job(50), 1));
  EXPECT_FALSE(admission.push(job(1), 1));
  EXPECT_EQ(look(admission, 1).run.size(), 1u);
  EXPECT_EQ(admission.numbers().waiting_cost, 0);
  EXPECT_TRUE(admission.push(job(6), 1));
  EXPECT_TRUE(admission.push(job(4), 1));
  EXPECT_FALSE(admission.push(job(1), 1));
}

TEST_F(AdmissionTest, GivesWhatFitsInOrderOfArrival) {
  Admission admission({10, 1e9, Duration(0)}, clock_);
  for (int i = 1; i <= 4; ++i) ASSERT_TRUE(admission.push(job(i), 1));
  const auto first = look(admission, 3);
  ASSERT_EQ(first.run.size(), 3u);
  EXPECT_EQ(first.run[0]->cost, 1);
  EXPECT_EQ(first.run[2]->cost, 3);
  EXPECT_EQ(admission.numbers().waiting_cost, 4);
  EXPECT_EQ(admission.numbers().running, 3u);
}

TEST_F(AdmissionTest, DropsTheCancelledAndTheLateEvenWithoutAFreePlace) {
  Admission admission({10, 1e9, Duration(0)}, clock_);
  auto cancelled = job(), late = job();
  cancelled->request.cancel.cancel();
  late->request.deadline = clock_.now() + milliseconds(5);
  ASSERT_TRUE(admission.push(std::move(cancelled), 1));
  ASSERT_TRUE(admission.push(std::move(late), 1));
  clock_.advance(milliseconds(6));
  const auto taken = look(admission, 0);
  EXPECT_EQ(taken.cancelled.size(), 1u);
  EXPECT_EQ(taken.expired.size(), 1u);
  EXPECT_EQ(admission.numbers().waiting, 0u);
}

TEST_F(AdmissionTest, TakesNothingNewOnceClosedAndIsEmptyWhenAllHaveRun) {
  Admission admission({10, 1e9, Duration(0)}, clock_);
  ASSERT_TRUE(admission.push(job(), 1));
  admission.close();
  const auto refused = admission.push(job(), 1);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, Code::kUnavailable);
  EXPECT_EQ(refused.error().reason, "draining");
  EXPECT_FALSE(admission.wait_empty(milliseconds(0)));
  EXPECT_EQ(look(admission, 1).run.size(), 1u);
  EXPECT_FALSE(admission.wait_empty(milliseconds(0)));
  admission.running_changed(1, 0);
  EXPECT_TRUE(admission.wait_empty(milliseconds(0)));
}

TEST_F(AdmissionTest, AnIdleThreadWakesForARequestAndForTheEnd) {
  Admission admission({10, 1e9, Duration(0)}, Clock::real());
  std::jthread pusher([&] { EXPECT_TRUE(admission.push(job(), 1)); });
  EXPECT_EQ(admission.take(1, true, true, Instant::max()).run.size(), 1u);
  std::jthread stopper([&] { admission.stop(); });
  EXPECT_TRUE(admission.take(1, true, true, Instant::max()).stopped);
}

TEST_F(AdmissionTest, EachOfSeveralIdleThreadsWakesForARequestAndAllForTheEnd) {
  Admission admission({10, 1e9, Duration(0)}, Clock::real());
  std::atomic<std::size_t> ran = 0, ended = 0;
  const auto idle = [&] {
    for (int turn = 0; turn < 2; ++turn) {  // a request, then the end
      const auto taken = admission.take(1, true, true, Instant::max());
      ran += taken.run.size();
      ended += taken.stopped ? 1 : 0;
    }
  };
  {
    std::vector<std::jthread> threads;
    for (int i = 0; i < 3; ++i) threads.emplace_back(idle);
    for (int i = 0; i < 3; ++i) EXPECT_TRUE(admission.push(job(), 1));
    while (ran < 3) std::this_thread::yield();
    admission.stop();
  }
  EXPECT_EQ(ran, 3u);
  EXPECT_EQ(ended, 3u);
}

TEST_F(AdmissionTest, AThreadThatWaitsForCompanyRunsWhenTheBatchIsFull) {
  Admission admission({100, 1e9, std::chrono::hours(1)}, clock_);
  for (int i = 0; i < 20; ++i) {  // company has been usual, a second apart
    ASSERT_TRUE(admission.push(job(), 1));
    clock_.advance(std::chrono::seconds(1));
  }
  EXPECT_EQ(admission.take_all().size(), 20u);
  admission.running_changed(0, 1);
  ASSERT_TRUE(admission.push(job(), 1));
  EXPECT_TRUE(admission.take(3, false, true, Instant::max()).run.empty());
  std::jthread pusher([&] {
    EXPECT_TRUE(admission.push(job(), 1));
    EXPECT_TRUE(admission.push(job(), 1));
  });
  EXPECT_EQ(admission.take(3, true, true, Instant::max()).run.size(), 3u);
}

TEST_F(AdmissionTest, AnIdleThreadReturnsWhenItsTimeHasCome) {
  Admission admission({10, 1e9, Duration(0)}, Clock::real());
  const auto taken = admission.take(1, true, true, Clock::real().now() + milliseconds(1));
  EXPECT_TRUE(taken.run.empty());
  EXPECT_FALSE(taken.stopped);
}

TEST(TimeFor, IsBetweenATenthOfASecondAndAMinute) {
  EXPECT_EQ(time_for(5, 0), milliseconds(1000));
  EXPECT_EQ(time_for(1, 1000), milliseconds(100));
  EXPECT_EQ(time_for(30, 10), milliseconds(3000));
  EXPECT_EQ(time_for(1e9, 1), milliseconds(60'000));
}

}  // namespace
}  // namespace serin::engine
