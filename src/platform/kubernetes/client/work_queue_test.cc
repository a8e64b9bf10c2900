// SPDX-License-Identifier: Apache-2.0
#include "platform/kubernetes/client/work_queue.h"

#include <gtest/gtest.h>

#include <atomic>
#include <thread>

#include "base/eventually_for_test.h"

namespace serin::platform::kubernetes {
namespace {

using namespace std::chrono_literals;

const ObjectKey kA{"n", "a"}, kB{"n", "b"};

struct WorkQueueTest : testing::Test {
  ManualClock clock;
  WorkQueue queue{clock, {100ms, 1000ms}};
};

TEST_F(WorkQueueTest, GivesANameThatWasAddedTwiceOnce) {
  queue.add(kA);
  queue.add(kB);
  queue.add(kA);
  EXPECT_EQ(queue.size(), 2u);
  EXPECT_EQ(queue.take_due(), kA);
  EXPECT_EQ(queue.take_due(), kB);
  EXPECT_EQ(queue.take_due(), std::nullopt);
}

TEST_F(WorkQueueTest, GivesWhatIsAddedWhileItIsLookedAtOnceMoreAndNotBefore) {
  queue.add(kA);
  EXPECT_EQ(queue.take_due(), kA);
  queue.add(kA);
  queue.add(kA);
  EXPECT_EQ(queue.take_due(), std::nullopt);
  queue.done(kA);
  queue.done(kA);
  EXPECT_EQ(queue.take_due(), kA);
  queue.done(kA);
  EXPECT_EQ(queue.take_due(), std::nullopt);
}

TEST_F(WorkQueueTest, GivesWhatIsDueLaterThen) {
  queue.add_after(kA, 5s);
  queue.add_after(kB, 3s);
  queue.add_after(kA, 9s);
  clock.advance(3s - 1ms);
  EXPECT_EQ(queue.take_due(), std::nullopt);
  clock.advance(1ms);
  EXPECT_EQ(queue.take_due(), kB);
  EXPECT_EQ(queue.take_due(), std::nullopt);
  queue.add_after(kA, 500ms);  // sooner than was said
  clock.advance(500ms);
  EXPECT_EQ(queue.take_due(), kA);
  queue.done(kA);
  clock.advance(9s);
  EXPECT_EQ(queue.take_due(), std::nullopt);
}

TEST_F(WorkQueueTest, ForgetsTheLaterTimeOfWhatIsAddedNow) {
  queue.add_after(kA, 5s);
  queue.add(kA);
  EXPECT_EQ(queue.take_due(), kA);
  queue.done(kA);
  clock.advance(10s);
  EXPECT_EQ(queue.take_due(), std::nullopt);
  queue.add(kA);
  queue.add_after(kA, 5s);  // it is looked at anyway
  queue.add_after(kB, -1s);
  EXPECT_EQ(queue.take_due(), kA);
  EXPECT_EQ(queue.take_due(), kB);
  queue.done(kA);
  clock.advance(10s);
  EXPECT_EQ(queue.take_due(), std::nullopt);
}

TEST_F(WorkQueueTest, GivesWhatBecomesDueWhileItIsLookedAtWhenThatIsDone) {
  queue.add(kA);
  queue.take_due();
  queue.add_after(kA, 1s);
  clock.advance(2s);
  EXPECT_EQ(queue.take_due(), std::nullopt);
  queue.done(kA);
  EXPECT_EQ(queue.take_due(), kA);
}

TEST_F(WorkQueueTest, WaitsLongerEachTimeANameFails) {
  const auto waits = [&](const ObjectKey& key, std::chrono::milliseconds wait) {
    queue.add_failed(key);
    clock.advance(wait - 1ms);
    EXPECT_EQ(queue.take_due(), std::nullopt);
    clock.advance(1ms);
    EXPECT_EQ(queue.take_due(), key);
    queue.done(key);
  };
  for (const auto wait : {100ms, 200ms, 400ms, 800ms, 1000ms, 1000ms}) waits(kA, wait);
  waits(kB, 100ms);
  queue.forget(kA);
  waits(kA, 100ms);
}

TEST(WorkQueue, WakesItsThreadsForWhatComesAndForTheirEnd) {
  WorkQueue queue(Clock::real());
  std::atomic<int> taken{0};
  std::stop_source stop;
  std::thread worker([&] {
    while (const auto key = queue.take(stop.get_token())) {
      ++taken;
      queue.done(*key);
    }
  });
  queue.add(kA);
  EXPECT_TRUE(eventually([&] { return taken == 1; }));
  queue.add_after(kB, 1h);
  queue.add_after(kA, 1ms);  // before what it waits for now
  EXPECT_TRUE(eventually([&] { return taken == 2; }));
  stop.request_stop();
  worker.join();
}

// Who takes what is due may be at it for long: whoever else waits takes the next.
TEST(WorkQueue, WakesAsManyThreadsAsThereIsWorkFor) {
  WorkQueue queue(Clock::real());
  std::stop_source stop;
  std::atomic<int> held{0}, rounds{0};
  std::vector<std::thread> workers;
  for (int i = 0; i < 2; ++i)
    workers.emplace_back([&] {
      while (const auto key = queue.take(stop.get_token())) {
        const int round = rounds;
        ++held;
        rounds.wait(round);
        queue.done(*key);
      }
    });
  for (int i = 0; i < 20 && !testing::Test::HasFailure(); ++i) {
    queue.add_after(kA, 2ms);
    queue.add_after(kB, 2ms);
    EXPECT_TRUE(eventually([&] { return held == 2; }));
    held = 0;
    ++rounds;
    rounds.notify_all();
  }
  stop.request_stop();
  for (auto& worker : workers) worker.join();
}

TEST(WorkQueue, NeverGivesANameToTwoAtATime) {
  WorkQueue queue(Clock::real());
  std::stop_source stop;
  std::atomic<int> at_it{0}, looks{0};
  std::atomic<bool> two{false};
  std::vector<std::thread> workers;
  for (int i = 0; i < 4; ++i)
    workers.emplace_back([&] {
      while (const auto key = queue.take(stop.get_token())) {
        if (++at_it > 1) two = true;
        ++looks;
        std::this_thread::yield();
        --at_it;
        queue.done(*key);
      }
    });
  while (looks < 200) {
    queue.add(kA);
    std::this_thread::yield();
  }
  stop.request_stop();
  for (auto& worker : workers) worker.join();
  EXPECT_FALSE(two);
}

}  // namespace
}  // namespace serin::platform::kubernetes
