// SPDX-License-Identifier: Apache-2.0
#include "engine/idle_probe.h"

#include <gtest/gtest.h>

#include "engine/fake_model.h"

namespace serin::engine {
namespace {

using namespace fake;
using std::chrono::seconds;

class IdleProbeTest : public ::testing::Test {
 protected:
  void advance_model() {
    EXPECT_TRUE(caller_.call(std::vector<Tensor>{floats({1}, {2})}, nullptr, 1, 1, {}));
  }
  ManualClock clock_;
  ModelCaller caller_{std::make_unique<FakeModel>(by_row([](float x) { return x; })), clock_,
                      nullptr};
  IdleProbe probe_{Request{}, seconds(10), caller_};
};

TEST_F(IdleProbeTest, IsTakenOnceAnIntervalWhoeverAsks) {
  EXPECT_EQ(probe_.take(clock_.now()), nullptr);
  clock_.advance(seconds(10));
  EXPECT_NE(probe_.take(clock_.now()), nullptr);
  EXPECT_EQ(probe_.take(clock_.now()), nullptr) << "another thread asks";
  clock_.advance(seconds(9));
  EXPECT_EQ(probe_.take(clock_.now()), nullptr);
  clock_.advance(seconds(1));
  EXPECT_NE(probe_.take(clock_.now()), nullptr);
}

TEST_F(IdleProbeTest, WaitsAnIntervalFromWhenTheModelLastAdvanced) {
  clock_.advance(seconds(9));
  advance_model();
  EXPECT_EQ(probe_.due(), clock_.now() + seconds(10));
  clock_.advance(seconds(1));
  EXPECT_EQ(probe_.take(clock_.now()), nullptr);
}

TEST_F(IdleProbeTest, IsNeverDueWithoutARequest) {
  IdleProbe none(std::nullopt, seconds(10), caller_);
  clock_.advance(std::chrono::hours(1));
  EXPECT_EQ(none.due(), Instant::max());
  EXPECT_EQ(none.take(clock_.now()), nullptr);
}

}  // namespace
}  // namespace serin::engine
