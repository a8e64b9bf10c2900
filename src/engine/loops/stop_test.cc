// SPDX-License-Identifier: Apache-2.0
#include "engine/loops/stop.h"

#include <gtest/gtest.h>

namespace serin::engine {
namespace {

TEST(StopFinder, PassesTextThroughWithoutStopStrings) {
  StopFinder finder({});
  EXPECT_EQ(finder.push("hello"), "hello");
  EXPECT_FALSE(finder.stopped());
}

TEST(StopFinder, CutsAtAStopStringInsideOnePiece) {
  StopFinder finder({"END"});
  EXPECT_EQ(finder.push("one ENDtwo"), "one ");
  EXPECT_TRUE(finder.stopped());
  EXPECT_EQ(finder.push("three"), "");
  EXPECT_EQ(finder.flush(), "");
}

TEST(StopFinder, HoldsBackWhatMayBecomeAStopString) {
  StopFinder finder({"<stop>"});
  EXPECT_EQ(finder.push("a<st"), "a");
  EXPECT_EQ(finder.push("op"), "");
  EXPECT_EQ(finder.push(">b"), "");
  EXPECT_TRUE(finder.stopped());
}

TEST(StopFinder, LetsGoOfWhatDidNotBecomeOne) {
  StopFinder finder({"<stop>"});
  EXPECT_EQ(finder.push("a<st"), "a");
  EXPECT_EQ(finder.push("art>"), "<start>");
  EXPECT_FALSE(finder.stopped());
}

TEST(StopFinder, FindsOneThatBeginsInsideAFailedBeginning) {
  StopFinder finder({"aab"});
  EXPECT_EQ(finder.push("aa"), "");
  EXPECT_EQ(finder.push("a"), "a");
  EXPECT_EQ(finder.push("b!"), "");
  EXPECT_TRUE(finder.stopped());
}

TEST(StopFinder, TakesTheEarliestOfSeveral) {
  StopFinder finder({"yz", "x"});
  EXPECT_EQ(finder.push("abxyz"), "ab");
}

TEST(StopFinder, GivesBackWhatWasHeldAtTheEnd) {
  StopFinder finder({"\n\n"});
  EXPECT_EQ(finder.push("line\n"), "line");
  EXPECT_EQ(finder.flush(), "\n");
}

}  // namespace
}  // namespace serin::engine
