// SPDX-License-Identifier: Apache-2.0
#include "base/restarts.h"

#include <gtest/gtest.h>

namespace serin {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

TEST(Restarts, WaitTwiceAsLongAfterEachShortRun) {
  Restarts restarts;
  for (const int wait : {250, 500, 1000, 2000})
    EXPECT_EQ(restarts.ended_after(seconds(1)), milliseconds(wait));
}

TEST(Restarts, NeverWaitLongerThanTheLongest) {
  Restarts restarts;
  for (int i = 0; i < 100; ++i) restarts.ended_after(seconds(0));
  EXPECT_EQ(restarts.ended_after(seconds(0)), milliseconds(30'000));
}

TEST(Restarts, AreACrashLoopFromTheThirdShortRunOn) {
  Restarts restarts;
  for (const bool loop : {false, false, true, true}) {
    restarts.ended_after(milliseconds(9'999));
    EXPECT_EQ(restarts.crash_loop(), loop);
  }
}

TEST(Restarts, AreForgivenByALongRun) {
  Restarts restarts;
  for (int i = 0; i < 5; ++i) restarts.ended_after(seconds(1));
  EXPECT_EQ(restarts.ended_after(seconds(10)), milliseconds(250));
  EXPECT_FALSE(restarts.crash_loop());
}

TEST(Restarts, GoOnFromWhatAnEarlierOneHasSeen) {
  Restarts first;
  for (int i = 0; i < 3; ++i) first.ended_after(seconds(1));
  Restarts second({}, first.short_runs());
  EXPECT_TRUE(second.crash_loop());
  EXPECT_EQ(second.ended_after(seconds(1)), milliseconds(2000));
}

}  // namespace
}  // namespace serin
