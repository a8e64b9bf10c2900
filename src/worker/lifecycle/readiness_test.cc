// SPDX-License-Identifier: Apache-2.0
#include "worker/lifecycle/readiness.h"

#include <gtest/gtest.h>

namespace serin::worker {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

const Instant kNow{std::chrono::hours(5)};

Readiness after(const engine::EngineState& state, bool draining = false) {
  return readiness(state, draining, kNow, milliseconds(10'000));
}

TEST(Readiness, AnEngineThatAdvancedIsReady) {
  engine::EngineState state;
  state.last_advance = kNow - seconds(10);
  EXPECT_TRUE(after(state).ready);
  state.waiting = 1000;  // a full queue is no fault
  EXPECT_TRUE(after(state).ready);
}

TEST(Readiness, SilenceIsAFault) {
  engine::EngineState state;
  state.last_advance = kNow - milliseconds(10'001);
  EXPECT_FALSE(after(state).ready);
  EXPECT_EQ(after(state).reason, "stuck: nothing has advanced for 10 s");
}

TEST(Readiness, ACallIsMeasuredFromItsStart) {
  engine::EngineState state;
  state.last_advance = kNow - seconds(60);
  state.in_call = true;
  state.call_started = kNow - seconds(9);
  EXPECT_TRUE(after(state).ready);
  state.call_started = kNow - seconds(11);
  EXPECT_FALSE(after(state).ready);
  EXPECT_EQ(after(state).reason, "stuck: one call of the model has run for 11 s");
}

TEST(Readiness, ADrainingWorkerIsNotReadyAtOnce) {
  engine::EngineState state;
  state.last_advance = kNow;
  EXPECT_FALSE(after(state, true).ready);
  EXPECT_EQ(after(state, true).reason, "draining");
}

}  // namespace
}  // namespace serin::worker
