// SPDX-License-Identifier: Apache-2.0
#include "net/http/message.h"

#include <gtest/gtest.h>

namespace serin::net {
namespace {

TEST(Headers, CompareNamesWithoutCaseAndKeepLinesInOrder) {
  Headers headers{{"X-One", "1"}, {"x-two", "2"}, {"X-ONE", "3"}};
  EXPECT_EQ(headers.get("x-ONE"), "1");
  EXPECT_EQ(headers.begin()->first, "x-one");
  headers.set("X-one", "4");
  EXPECT_EQ(headers.size(), 2u);
  EXPECT_EQ(headers.get("x-one"), "4");
  headers.remove("X-TWO");
  EXPECT_EQ(headers.find("x-two"), std::nullopt);
  EXPECT_EQ(headers.get("x-two"), "");
}

TEST(Headers, ReplaceBytesThatWouldEndALine) {
  Headers headers;
  headers.add("a b\r\n", " 1\r\n2\0003 ");
  headers.add("", "x");
  EXPECT_EQ(headers.begin()->first, "a-b--");
  EXPECT_EQ(headers.begin()->second, "1  2");  // the literal ends at its zero byte
  EXPECT_EQ(headers.get("-"), "x");
}

TEST(RequestHead, DecodesQueryParameters) {
  RequestHead head;
  head.query = "a=1&b=x+y%2Bz&empty=&flag&a=2&bad=%zz&%61b=7";
  EXPECT_EQ(head.query_parameter("a"), "1");
  EXPECT_EQ(head.query_parameter("b"), "x y+z");
  EXPECT_EQ(head.query_parameter("empty"), "");
  EXPECT_EQ(head.query_parameter("flag"), "");
  EXPECT_EQ(head.query_parameter("bad"), "%zz");
  EXPECT_EQ(head.query_parameter("ab"), "7");
  EXPECT_EQ(head.query_parameter("none"), std::nullopt);
}

TEST(ReasonPhrase, IsEmptyForAnUnregisteredStatus) {
  EXPECT_EQ(reason_phrase(429), "Too Many Requests");
  EXPECT_EQ(reason_phrase(499), "");
}

}  // namespace
}  // namespace serin::net
