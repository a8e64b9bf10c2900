// SPDX-License-Identifier: Apache-2.0
#include "gateway/usage_tail.h"

#include <gtest/gtest.h>

namespace serin::gateway {
namespace {

std::optional<double> tokens(std::string_view answer, std::size_t piece = 7) {
  UsageTail tail;
  for (std::size_t at = 0; at < answer.size(); at += piece) tail.add(answer.substr(at, piece));
  return tail.tokens();
}

TEST(UsageTail, ReadsWhatAnswersSayAtTheirEnd) {
  EXPECT_EQ(tokens(R"({"choices":[],"usage":{"prompt_tokens":5,"completion_tokens":7,)"
                   R"("total_tokens":12}})"),
            12);
  EXPECT_EQ(tokens(R"({"content":[],"usage":{"input_tokens": 5, "output_tokens" : 6}})"), 11);
  EXPECT_EQ(tokens("data: {\"usage\":{\"total_tokens\":3}}\n\n"
                   "data: {\"usage\":{\"total_tokens\":9}}\n\ndata: [DONE]\n\n"),
            9);
}

TEST(UsageTail, IsNotTakenInByTheTextOfAnAnswer) {
  EXPECT_EQ(tokens(R"({"text":"\"total_tokens\":999999"})"), std::nullopt);
  EXPECT_EQ(tokens(R"({"usage":{"total_tokens":4},"text":"\"total_tokens\":999999"})"), 4);
}

TEST(UsageTail, SaysNothingWhereTheAnswerDoesNot) {
  for (const char* answer : {"", "total_tokens", R"("total_tokens")", R"("total_tokens":)",
                             R"("total_tokens":"x")", R"("total_tokens":-4)"})
    EXPECT_EQ(tokens(answer), std::nullopt) << answer;
}

TEST(UsageTail, KeepsTheEndOfALongAnswer) {
  const std::string answer = std::string(100'000, 'x') + R"("total_tokens":8)";
  for (const std::size_t piece :
       {std::size_t{1}, std::size_t{100}, std::size_t{5000}, answer.size()})
    EXPECT_EQ(tokens(answer, piece), 8) << piece;
}

}  // namespace
}  // namespace serin::gateway
