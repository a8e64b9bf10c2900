// SPDX-License-Identifier: Apache-2.0
#include "platform/local/life.h"

#include <gtest/gtest.h>

namespace serin::platform::local {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

const LifePolicy kPolicy;
const Instant kStart = Instant(std::chrono::hours(1));

Life ready() {
  Life life;
  life.running = life.ready = life.was_ready = true;
  life.started = kStart;
  life.answered = kStart;
  return life;
}
Step step(const Life& life, Instant now) { return next_step(life, now, kPolicy).step; }
ReplicaState state(const Life& life, Instant now, bool crash_loop = false) {
  return state_of(life, crash_loop, now, kPolicy);
}

TEST(Life, StartsWhenItsTimeHasCome) {
  Life life;
  life.next_start = kStart;
  EXPECT_EQ(step(life, kStart - milliseconds(1)), Step::kNothing);
  EXPECT_EQ(state(life, kStart - milliseconds(1)), ReplicaState::kBackoff);
  EXPECT_EQ(state(life, kStart - milliseconds(1), true), ReplicaState::kCrashLoop);
  EXPECT_EQ(step(life, kStart), Step::kStart);
}

TEST(Life, IsReadyAsLongAsItAnswersSo) {
  Life life = ready();
  EXPECT_EQ(state(life, kStart + seconds(5)), ReplicaState::kReady);
  EXPECT_EQ(state(life, kStart + seconds(6)), ReplicaState::kUnready);
  life.ready = false;
  EXPECT_EQ(state(life, kStart), ReplicaState::kUnready);
  life.was_ready = false;
  EXPECT_EQ(state(life, kStart), ReplicaState::kStarting);
}

TEST(Life, IsUnreadyTheMomentItIsStopped) {
  Life life = ready();
  life.stopped_since = kStart;
  EXPECT_EQ(state(life, kStart), ReplicaState::kUnready);
  EXPECT_FALSE(reason_of(life, kStart, kPolicy).empty());
}

TEST(Life, EndsOneThatDoesNotAnswerIsStuckOrStopped) {
  EXPECT_EQ(step(ready(), kStart + seconds(30)), Step::kNothing);
  EXPECT_EQ(step(ready(), kStart + seconds(31)), Step::kKill);
  for (auto Life::* since : {&Life::stuck_since, &Life::stopped_since}) {
    Life life = ready();
    life.answered = kStart + seconds(31);
    life.*since = kStart;
    EXPECT_EQ(step(life, kStart + seconds(31)), Step::kKill);
  }
}

TEST(Life, WaitsLongForOneThatNeverAnsweredYet) {
  Life life;
  life.running = true;
  life.started = kStart;
  EXPECT_EQ(step(life, kStart + seconds(899)), Step::kNothing);
  const Decision late = next_step(life, kStart + seconds(901), kPolicy);
  EXPECT_EQ(late.step, Step::kKill);
  EXPECT_EQ(late.why, "it was not ready within 900 s");
}

TEST(Life, EndsOneThatTakesTooMuchMemory) {
  Life life = ready();
  life.over_memory = true;
  EXPECT_EQ(step(life, kStart), Step::kKill);
  life.killed = true;
  EXPECT_EQ(step(life, kStart), Step::kNothing);
}

TEST(Life, LeavesOnceTheGatewaySendsItNothing) {
  Life life = ready();
  life.leaving_since = kStart;
  EXPECT_EQ(state(life, kStart), ReplicaState::kStopping);
  EXPECT_EQ(step(life, kStart + milliseconds(999)), Step::kNothing);
  EXPECT_EQ(step(life, kStart + milliseconds(1000)), Step::kTerminate);
  life.left = true;
  EXPECT_EQ(step(life, kStart), Step::kTerminate);
  life.terminated = kStart;
  EXPECT_EQ(step(life, kStart + seconds(35)), Step::kNothing);
  EXPECT_EQ(step(life, kStart + seconds(36)), Step::kKill);
  life.running = false;
  EXPECT_EQ(step(life, kStart), Step::kForget);
}

}  // namespace
}  // namespace serin::platform::local
