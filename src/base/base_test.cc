// SPDX-License-Identifier: Apache-2.0
// The small parts of base: errors, clocks, base64, the forms of a log entry.
#include <gtest/gtest.h>

#include "base/base64.h"
#include "base/bearer.h"
#include "base/cancel.h"
#include "base/check.h"
#include "base/clock.h"
#include "base/entries.h"
#include "base/error.h"
#include "base/log.h"
#include "base/log_room.h"

namespace serin {
namespace {

Result<int> half(int number) {
  if (number % 2 != 0) return invalid("odd", "number");
  return number / 2;
}

Result<int> quarter(int number) {
  SERIN_TRY_ASSIGN(const int once, half(number));
  SERIN_TRY(half(once));
  return *half(once);
}

TEST(Errors, LeaveTheFunctionAsTheyAre) {
  EXPECT_EQ(*quarter(8), 2);
  EXPECT_EQ(quarter(6).error().param, "number");
  EXPECT_EQ(quarter(6).error().code, Code::kInvalidArgument);
}

TEST(Errors, SayWhatWasBeingDone) {
  EXPECT_EQ((Error{Code::kInternal, "it broke"}.within("loading model.pt").message),
            "loading model.pt: it broke");
}

TEST(Errors, HaveTheNamesOfGrpc) {
  EXPECT_EQ(name_of(Code::kCancelled), "CANCELLED");
  EXPECT_EQ(name_of(Code::kUnauthenticated), "UNAUTHENTICATED");
  EXPECT_EQ(static_cast<int>(Code::kUnauthenticated), 16);
}

TEST(CheckDeathTest, EndsTheProcessWithWhatWasWrong) {
  EXPECT_DEATH(SERIN_CHECK(1 + 1 == 3), "check failed: 1 \\+ 1 == 3");
}

TEST(Clocks, StandStillUntilTheyAreMoved) {
  ManualClock clock;
  const Instant before = clock.now();
  const auto wall = clock.wall();
  clock.advance(std::chrono::seconds(5));
  EXPECT_EQ(clock.now() - before, std::chrono::seconds(5));
  EXPECT_EQ(clock.wall() - wall, std::chrono::seconds(5));
  EXPECT_LE(Clock::real().now(), Clock::real().now());
}

TEST(CancelTokens, ShareOneFlag) {
  const CancelToken token;
  const CancelToken copy = token;
  EXPECT_FALSE(copy.cancelled());
  token.cancel();
  EXPECT_TRUE(copy.cancelled());
}

TEST(Entries, AreLinesWithoutCommentsAndWhiteSpace) {
  const auto entries = entries_of("# all\n\n one # the first\r\n \t\ntwo words");
  ASSERT_EQ(entries.size(), 2U);
  EXPECT_EQ(entries[0].line, 3U);
  EXPECT_EQ(entries[0].text, "one");
  EXPECT_EQ(entries[1].line, 5U);
  EXPECT_EQ(entries[1].text, "twowords");
  EXPECT_TRUE(entries_of("").empty());
}

TEST(Base64, GivesTheVectorsOfRfc4648) {
  const std::pair<const char*, const char*> vectors[] = {{"", ""},
                                                         {"f", "Zg=="},
                                                         {"fo", "Zm8="},
                                                         {"foo", "Zm9v"},
                                                         {"foob", "Zm9vYg=="},
                                                         {"fooba", "Zm9vYmE="},
                                                         {"foobar", "Zm9vYmFy"}};
  for (const auto& [bytes, text] : vectors) {
    EXPECT_EQ(to_base64(bytes), text);
    EXPECT_EQ(*from_base64(text), bytes);
  }
  const std::string all("\x00\xff\xfe\x80\x7f", 5);
  EXPECT_EQ(*from_base64(to_base64(all)), all);
}

TEST(Base64, RefusesWhatIsNotStrictlyBase64) {
  for (const char* text : {"Z", "Zg", "Zg=", "Zh==", "Zm9=", "Z===", "====", "Zm9v\n", "Zm 9",
                           "Zg==Zg==", "Zm9-", "Z\xc3\xa4=="}) {
    EXPECT_FALSE(from_base64(text).has_value()) << text;
  }
  EXPECT_NE(from_base64("Zm9-").error().message.find("place 4"), std::string::npos);
}

TEST(Base64Url, HasNoPaddingAndAnotherAlphabet) {
  const std::string bytes("\xfb\xff\xfe\x01", 4);
  EXPECT_EQ(to_base64(bytes), "+//+AQ==");
  EXPECT_EQ(to_base64url(bytes), "-__-AQ");
  EXPECT_EQ(*from_base64url("-__-AQ"), bytes);
  EXPECT_EQ(*from_base64url(""), "");
  for (const char* text : {"-__-AQ==", "+//+AQ", "A", "-__-AR", "-__-A", "-_ -"})
    EXPECT_FALSE(from_base64url(text).has_value()) << text;
}

TEST(Bearer, IsTheKeyOfAnAuthorizationField) {
  EXPECT_EQ(bearer_key("Bearer abc"), "abc");
  EXPECT_EQ(bearer_key("bearer abc"), "abc");
  EXPECT_EQ(bearer_key("BEARER  abc"), "abc");
  for (const char* field : {"", "Bearer", "Bearer ", "Bearer   ", "Bearerabc", "Basic abc", "abc"})
    EXPECT_EQ(bearer_key(field), "") << field;
}

TEST(Bearer, HashesAreHexOfSha256) {
  const std::string hash(64, 'a');
  EXPECT_TRUE(is_key_hash(hash));
  for (const std::string& other : {std::string(), hash + "a", hash.substr(1), std::string(64, 'A')})
    EXPECT_FALSE(is_key_hash(other)) << other;
  EXPECT_TRUE(same_key_hash(hash, hash));
  EXPECT_FALSE(same_key_hash(hash, std::string(63, 'a') + "b"));
  EXPECT_FALSE(same_key_hash(hash, hash + "a"));
}

constexpr std::chrono::system_clock::time_point kTime{std::chrono::milliseconds(1'000'000'000'042)};

TEST(LogRoom, IsForSoManyEntriesInAPeriodAndCountsTheRest) {
  const ManualClock clock;
  LogRoom room(2, std::chrono::minutes(1));
  const Instant begin = clock.now();
  EXPECT_EQ(room.take(begin), 0U);
  EXPECT_EQ(room.take(begin), 0U);
  EXPECT_EQ(room.take(begin), std::nullopt);
  EXPECT_EQ(room.take(begin + std::chrono::seconds(59)), std::nullopt);
  EXPECT_EQ(room.take(begin + std::chrono::seconds(60)), 2U);
  EXPECT_EQ(room.take(begin + std::chrono::seconds(60)), 0U);
}

TEST(Logs, AreOneLineOfJsonAnEntry) {
  EXPECT_EQ(
      log::format_json(kTime, log::Level::kWarning, "two\nlines",
                       {{"port", 5000}, {"name", "a\"b"}}),
      "{\"time\":\"2001-09-09T01:46:40.042Z\",\"level\":\"warning\",\"message\":\"two\\nlines\","
      "\"port\":5000,\"name\":\"a\\\"b\"}\n");
}

TEST(Logs, AreOneReadableLineOnATerminal) {
  EXPECT_EQ(
      log::format_text(kTime, log::Level::kInfo, "ready\x1b[31m", {{"port", 5000}, {"name", "x"}}),
      "01:46:40.042 info    ready [31m  port=5000  name=x\n");
}

}  // namespace
}  // namespace serin
