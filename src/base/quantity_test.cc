// SPDX-License-Identifier: Apache-2.0
#include "base/quantity.h"

#include <gtest/gtest.h>

namespace serin {
namespace {

TEST(Duration, IsASumOfNumbersWithUnits) {
  EXPECT_DOUBLE_EQ(*parse_duration("250ms"), 0.25);
  EXPECT_DOUBLE_EQ(*parse_duration("60s"), 60);
  EXPECT_DOUBLE_EQ(*parse_duration("1h30m"), 5400);
  EXPECT_DOUBLE_EQ(*parse_duration("1.5h"), 5400);
  EXPECT_DOUBLE_EQ(*parse_duration("7d"), 7 * 86'400.0);
  for (const char* wrong :
       {"", "60", "s", "-1s", "1 h", "1w", "1h 30m", "1e3s", "infs", "20000d", "1.2.3s", "0x10s"})
    EXPECT_FALSE(parse_duration(wrong)) << wrong;
}

TEST(Share, IsANumberOrAPercentage) {
  EXPECT_DOUBLE_EQ(*parse_share(0.002), 0.002);
  EXPECT_DOUBLE_EQ(*parse_share("20%"), 0.2);
  EXPECT_DOUBLE_EQ(*parse_share("0.2%"), 0.002);
  EXPECT_DOUBLE_EQ(*parse_share(1), 1);
  for (const json::value& wrong :
       {json::value(1.5), json::value(-0.1), json::value("20"), json::value("%"),
        json::value("101%"), json::value("-1%"), json::value("a%"), json::value(true)})
    EXPECT_FALSE(parse_share(wrong)) << json::serialize(wrong);
}

}  // namespace
}  // namespace serin
