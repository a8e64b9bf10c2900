// SPDX-License-Identifier: Apache-2.0
#include "net/http/retry_after.h"

#include <gtest/gtest.h>

namespace serin::net {
namespace {

TEST(RetryAfter, IsANumberOfSeconds) {
  using std::chrono::seconds;
  EXPECT_EQ(parse_retry_after("7"), seconds(7));
  EXPECT_EQ(parse_retry_after("0"), seconds(0));
  EXPECT_EQ(parse_retry_after("99999999"), seconds(86'400));
  for (const char* other : {"", "-1", "1.5", "7 ", "Wed, 21 Oct 2015 07:28:00 GMT"})
    EXPECT_EQ(parse_retry_after(other), std::nullopt) << other;
}

}  // namespace
}  // namespace serin::net
