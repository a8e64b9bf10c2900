// SPDX-License-Identifier: Apache-2.0
#include "base/utf8.h"

#include <gtest/gtest.h>

#include "base/shown.h"

namespace serin {
namespace {

TEST(Utf8, IsKnownFromOtherBytes) {
  EXPECT_TRUE(is_utf8("aü日😀"));
  for (const char* wrong : {"\xc0\x80", "\xed\xa0\x80", "\xf4\x90\x80\x80", "\xe2\x82", "\x80"})
    EXPECT_FALSE(is_utf8(wrong));
}

TEST(Utf8, IsCutBetweenCharacters) {
  EXPECT_EQ(utf8_head("aü日", 6), "aü日");
  EXPECT_EQ(utf8_head("aü日", 5), "aü");
  EXPECT_EQ(utf8_head("aü日", 3), "aü");
  EXPECT_EQ(utf8_head("aü日", 2), "a");
  EXPECT_EQ(utf8_head("日", 1), "");
  EXPECT_EQ(utf8_head("\x80\x80\x80", 2), "");
}

TEST(Shown, IsQuotedAndShort) {
  EXPECT_EQ(shown("a \"b\"\n"), R"("a \"b\"\n")");
  EXPECT_EQ(shown(std::string(59, 'x') + "日本"), "\"" + std::string(59, 'x') + "…\"");
  EXPECT_EQ(shown(std::string(60, 'x')), "\"" + std::string(60, 'x') + "\"");
  EXPECT_EQ(shown(0.1), "0.1");
}

}  // namespace
}  // namespace serin
