// SPDX-License-Identifier: Apache-2.0
#include "base/words.h"

#include <gtest/gtest.h>

#include <vector>

namespace serin {
namespace {

using Names = std::vector<std::string>;

TEST(Lists, AreWrittenAsSentencesHaveThem) {
  EXPECT_EQ(listed(Names{"a", "b", "c"}, "and"), "a, b and c");
  EXPECT_EQ(either(Names{"a", "b"}), "a or b");
  EXPECT_EQ(either(std::vector<std::string_view>{"a"}), "a");
  EXPECT_EQ(either(Names{}), "");
}

TEST(Lists, SayHowManyThereAre) {
  EXPECT_EQ(there_are(Names{}), "there is none");
  EXPECT_EQ(there_are(Names{"a"}), "there is a");
  EXPECT_EQ(there_are(Names{"a", "b", "c"}), "there are a, b and c");
}

TEST(Patterns, AreTheTextItselfOrItsBeginning) {
  EXPECT_TRUE(fits_pattern("Promoted", "Promoted"));
  EXPECT_FALSE(fits_pattern("Promoted", "Promotedx"));
  EXPECT_TRUE(fits_pattern("Rollout*", "RolloutBegan"));
  EXPECT_TRUE(fits_pattern("Rollout*", "Rollout"));
  EXPECT_FALSE(fits_pattern("Rollout*", "Roll"));
  EXPECT_TRUE(fits_pattern("*", ""));
  EXPECT_FALSE(fits_pattern("", "any"));
}

TEST(LastLine, IsWhatWasSaidLast) {
  EXPECT_EQ(last_line("first\nlast"), "last");
  EXPECT_EQ(last_line("first\nlast\n\n"), "last");
  EXPECT_EQ(last_line("only"), "only");
  EXPECT_EQ(last_line("\n\n"), "");
  EXPECT_EQ(last_line(""), "");
}

}  // namespace
}  // namespace serin
