// SPDX-License-Identifier: Apache-2.0
#include "rollout/score/agreement.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <random>
#include <string>
#include <vector>

namespace serin::rollout {
namespace {

TEST(TextAgreement, IsOneForTheSameWordsAndNothingForOthers) {
  EXPECT_DOUBLE_EQ(text_agreement("the cat sat", "the cat sat"), 1);
  EXPECT_DOUBLE_EQ(text_agreement("the cat sat", "the  cat\nsat"), 1);
  EXPECT_DOUBLE_EQ(text_agreement("", " "), 1);
  EXPECT_DOUBLE_EQ(text_agreement("the cat", ""), 0);
  EXPECT_DOUBLE_EQ(text_agreement("the cat", "a dog"), 0);
}

// Lin's example: "police killed the gunman" beside "police kill the gunman" has three of four words
// in order, beside "the gunman kill police" two.
TEST(TextAgreement, IsThatOfThePaper) {
  EXPECT_DOUBLE_EQ(text_agreement("police killed the gunman", "police kill the gunman"), 0.75);
  EXPECT_DOUBLE_EQ(text_agreement("police killed the gunman", "the gunman kill police"), 0.5);
}

TEST(TextAgreement, KnowsCharactersWhereWordsAreNotSetApart) {
  EXPECT_DOUBLE_EQ(text_agreement("日本語です", "日本語だ"), 2.0 * 3 / 9);
  EXPECT_DOUBLE_EQ(text_agreement("кот сидел", "кот лежал"), 0.5);
  EXPECT_DOUBLE_EQ(text_agreement("café noir", "café blanc"), 0.5);
  EXPECT_DOUBLE_EQ(text_agreement("\xff\xfe", "\xff\xfe"), 1) << "also of what is no UTF-8";
}

// The usual table, row by row.
std::size_t by_table(const std::string& one, const std::string& other) {
  std::vector<std::size_t> row(other.size() + 1);
  for (const char c : one) {
    std::size_t before = 0;
    for (std::size_t j = 1; j <= other.size(); ++j) {
      const std::size_t above = row[j];
      row[j] = c == other[j - 1] ? before + 1 : std::max(above, row[j - 1]);
      before = above;
    }
  }
  return row.back();
}

TEST(TextAgreement, IsWhatTheTableGives) {
  std::mt19937 random(7);
  for (int i = 0; i < 300; ++i) {
    const auto text = [&] {
      std::string made(random() % 300, '.');
      for (char& c : made) c = "+-*/="[random() % 5];  // each a token
      return made;
    };
    const std::string one = text(), other = text();
    if (one.empty() && other.empty()) continue;
    EXPECT_DOUBLE_EQ(text_agreement(one, other), 2 * static_cast<double>(by_table(one, other)) /
                                                     static_cast<double>(one.size() + other.size()))
        << one << "\n"
        << other;
  }
}

TEST(TextAgreement, LooksAtTheBeginningsOfLongTexts) {
  std::string one, other;
  for (std::size_t i = 0; i < kMostTokens; ++i) {
    one += "same ";
    other += "same ";
  }
  EXPECT_DOUBLE_EQ(text_agreement(one + "one", other + "other and more"), 1);
}

TEST(NotCompared, HasNamesThatAreReadAgain) {
  for (std::size_t i = 0; i < kNotComparedKinds; ++i) {
    const auto why = static_cast<NotCompared>(i);
    EXPECT_FALSE(name_of(why).empty());
    EXPECT_EQ(not_compared_of(name_of(why)), why);
  }
  EXPECT_FALSE(not_compared_of("another"));
}

}  // namespace
}  // namespace serin::rollout
