// SPDX-License-Identifier: Apache-2.0
#include "platform/kubernetes/client/time.h"

#include <gtest/gtest.h>

namespace serin::platform::kubernetes {
namespace {

using std::chrono::microseconds;
using std::chrono::minutes;
using std::chrono::seconds;

const auto kBillion = std::chrono::system_clock::from_time_t(1'000'000'000);

TEST(Times, AreReadInEveryFormOfRfc3339) {
  EXPECT_EQ(parse_time("2001-09-09T01:46:40Z"), kBillion);
  EXPECT_EQ(parse_time("2001-09-09t01:46:40z"), kBillion);
  EXPECT_EQ(parse_time("2001-09-09T01:46:40.5Z"), kBillion + microseconds(500'000));
  EXPECT_EQ(parse_time("2001-09-09T01:46:40.123456789Z"), kBillion + microseconds(123'456));
  EXPECT_EQ(parse_time("2001-09-09T03:16:40+01:30"), kBillion);
  EXPECT_EQ(parse_time("2001-09-08T17:46:40-08:00"), kBillion);
  EXPECT_EQ(parse_time("2001-09-09T01:46:60Z"), kBillion + seconds(20));
}

TEST(Times, ThatNoClockCountsAreLateAndNotOver) {
  const auto late = parse_time("2260-02-29T23:59:59Z");
  ASSERT_TRUE(late);
  EXPECT_EQ(parse_time("9999-02-28T23:59:59Z"), *late - std::chrono::days(1));
  EXPECT_EQ(parse_time("2400-02-29T23:59:59Z"), late);
  EXPECT_GT(parse_time("2261-12-31T23:59:59-23:59"), late);
  EXPECT_EQ(parse_time("99AA-01-01T00:00:00Z"), std::nullopt);
  EXPECT_EQ(parse_time("0001-01-01T00:00:00Z"), std::nullopt);
}

TEST(Times, AreNoneWhereAPartIsWrong) {
  for (const char* wrong :
       {"", "2001-09-09", "2001-09-09T01:46:40", "2001-09-09 01:46:40Z", "2001-02-30T01:46:40Z",
        "2001-09-09T24:46:40Z", "2001-09-09T01:60:40Z", "2001-09-09T01:46:61Z",
        "2001-09-09T01:46:4 Z", "2001-09-09T01:46:40.Z", "2001-09-09T01:46:40+0100",
        "2001-09-09T01:46:40+24:00", "2001-09-09T01:46:40ZZ", "2001-09-09T01-46-40Z"})
    EXPECT_EQ(parse_time(wrong), std::nullopt) << wrong;
}

TEST(Times, AreWrittenWithSixDigits) {
  EXPECT_EQ(micro_time(kBillion), "2001-09-09T01:46:40.000000Z");
  EXPECT_EQ(micro_time(kBillion + microseconds(7)), "2001-09-09T01:46:40.000007Z");
  EXPECT_EQ(micro_time(kBillion + microseconds(123'456)), "2001-09-09T01:46:40.123456Z");
  EXPECT_EQ(parse_time(micro_time(kBillion + microseconds(7))), kBillion + microseconds(7));
}

}  // namespace
}  // namespace serin::platform::kubernetes
