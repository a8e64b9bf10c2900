// SPDX-License-Identifier: Apache-2.0
#include "base/backoff.h"

#include <gtest/gtest.h>

namespace serin {
namespace {

using std::chrono::milliseconds;

TEST(Backoff, DoublesUpToItsBound) {
  const Backoff backoff{milliseconds(100), milliseconds(500)};
  int failed = 0;
  for (const int wait : {100, 200, 400, 500, 500})
    EXPECT_EQ(wait_after(++failed, backoff, 1), milliseconds(wait));
  EXPECT_EQ(wait_after(1'000'000, backoff, 1), milliseconds(500));
}

TEST(Backoff, PicksFromTheUpperHalf) {
  const Backoff backoff{milliseconds(100), milliseconds(500)};
  EXPECT_EQ(wait_after(2, backoff, 0), milliseconds(100));
  EXPECT_EQ(wait_after(2, backoff, 0.5), milliseconds(150));
  for (int i = 0; i < 100; ++i) {
    const double share = random_share();
    EXPECT_TRUE(share >= 0 && share < 1) << share;
  }
}

TEST(Backoff, EndsWhenItIsCancelled) {
  const CancelToken cancel;
  EXPECT_TRUE(pause(milliseconds(1), cancel));
  cancel.cancel();
  EXPECT_FALSE(pause(std::chrono::hours(1), cancel));
}

}  // namespace
}  // namespace serin
