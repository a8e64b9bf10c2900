// SPDX-License-Identifier: Apache-2.0
#include "gateway/answer_content.h"

#include <gtest/gtest.h>

#include "base/json.h"

namespace serin::gateway {
namespace {

using rollout::Comparison;
using rollout::NotCompared;

struct Answer {
  std::string type;
  std::string body;
  std::size_t piece = 7;
};

AnswerContent read(const Answer& answer) {
  AnswerContent content;
  content.begin({{"content-type", answer.type}});
  std::string_view rest = answer.body;
  while (!rest.empty()) {
    content.add(rest.substr(0, answer.piece));
    rest.remove_prefix(std::min(answer.piece, rest.size()));
  }
  content.end();
  return content;
}

Comparison compared(const Answer& one, const Answer& other) {
  const auto result = compare(read(one), read(other));
  const auto* both = std::get_if<Comparison>(&result);
  EXPECT_NE(both, nullptr);
  return both == nullptr ? Comparison() : *both;
}

NotCompared why_not(const Answer& one, const Answer& other) {
  return std::get<NotCompared>(compare(read(one), read(other)));
}

const std::string kJson = "application/json";
const std::string kEvents = "text/event-stream";

std::string completion(const std::string& id, const std::string& text) {
  return R"({"id":")" + id + R"(","created":17,"system_fingerprint":"sha256:)" + id +
         R"(","choices":[{"index":0,"text":")" + text + R"("}],"usage":{"total_tokens":9}})";
}

std::string chunks(const std::string& id, const std::vector<std::string>& words) {
  std::string stream;
  for (const std::string& word : words)
    stream += "id: " + id + "\ndata: " + R"({"id":")" + id +
              R"(","choices":[{"index":0,"delta":{"content":")" + word + "\"}}]}\n\n";
  return stream + "data: [DONE]\n\n";
}

TEST(AnswerContent, OfCompletionsIsTheirText) {
  const Comparison same =
      compared({kJson, completion("1", "a b c")}, {kJson, completion("2", "a b c")});
  EXPECT_TRUE(same.identical);
  EXPECT_EQ(same.agreement, 1);
  EXPECT_EQ(same.stable_bytes, 5U);
  const Comparison other =
      compared({kJson, completion("1", "a b c d")}, {kJson, completion("2", "a b x d")});
  EXPECT_FALSE(other.identical);
  EXPECT_DOUBLE_EQ(other.agreement, 0.75);
}

TEST(AnswerContent, OfAStreamIsTheSameAsOfTheWhole) {
  for (const std::size_t piece : {std::size_t{1}, std::size_t{10}, std::size_t{1000}}) {
    const Answer streamed{kEvents, chunks("1", {"a ", "b ", "c"}), piece};
    EXPECT_TRUE(compared(streamed, {kJson, completion("2", "a b c")}).identical);
  }
  const std::string chat = R"({"choices":[{"message":{"role":"assistant","content":"a b c"}}]})";
  EXPECT_TRUE(compared({kEvents, chunks("1", {"a b c"})}, {kJson, chat}).identical);
  const std::string responses = R"({"output":[{"content":[{"type":"output_text","text":"hi"}]}]})";
  const std::string deltas =
      "event: response.output_text.delta\ndata: "
      R"({"type":"response.output_text.delta","delta":"h"})"
      "\n\nevent: response.output_text.delta\ndata: "
      R"({"type":"response.output_text.delta","delta":"i"})"
      "\n\nevent: response.output_text.done\ndata: "
      R"({"type":"response.output_text.done","text":"hi"})"
      "\n\n";
  EXPECT_TRUE(compared({kJson, responses}, {kEvents, deltas}).identical);
  const std::string tokens =
      "event: token\ndata: {\"text\":\"hi\",\"index\":0}\n\nevent: result\ndata: "
      "{\"seed\":1,\"outputs\":{\"text\":{\"text\":\"hi\"}}}\n\n";
  EXPECT_TRUE(compared({kJson, responses}, {kEvents, tokens}).identical);
  EXPECT_TRUE(compared({"text/plain; charset=utf-8", "hi"}, {kEvents, tokens}).identical);
}

TEST(AnswerContent, OfOtherJsonIsAllButTheNames) {
  const std::string one =
      R"({"model_name":"m","model_version":"v1","id":"1","outputs":[{"name":"y","data":[1,2]}]})";
  const std::string same =
      R"({"outputs":[{"data":[1,2],"name":"y"}],"model_version":"v2","id":"2"})";
  const std::string other = R"({"model_version":"v2","outputs":[{"name":"y","data":[1,3]}]})";
  EXPECT_TRUE(compared({kJson, one}, {kJson, same}).identical);
  EXPECT_FALSE(compared({kJson, one}, {kJson, other}).identical);
  EXPECT_EQ(compared({kJson, one}, {kJson, other}).agreement, 0);
  EXPECT_TRUE(compared({kJson, "no json"}, {kJson, "no json"}).identical);
  const std::string picture =
      "event: progress\ndata: {\"step\":1}\n\nevent: result\ndata: "
      "{\"seed\":1,\"outputs\":{\"image\":{\"base64\":\"aGk=\"}}}\n\n";
  EXPECT_TRUE(
      compared({kEvents, picture}, {kJson, R"({"seed":1,"outputs":{"image":{"base64":"aGk="}}})"})
          .identical);
}

TEST(AnswerContent, OfMediaIsTheirBytesHoweverMany) {
  const std::string large(10'000'000, 'x');
  const Comparison same = compared({"image/png", large, 100'000}, {"image/png", large, 64'000});
  EXPECT_TRUE(same.identical);
  EXPECT_EQ(same.candidate_bytes, large.size());
  const Comparison other = compared({"image/png", large, 100'000}, {"image/png", "x"});
  EXPECT_FALSE(other.identical);
  EXPECT_EQ(other.agreement, 0);
  EXPECT_TRUE(compared({"image/png", ""}, {"image/png", ""}).identical);
  EXPECT_FALSE(compared({"text/plain", "x"}, {"image/png", "x"}).identical);
}

TEST(AnswerContent, IsNotComparedWhereItIsTooLongOrUnknown) {
  const Answer text{"text/plain", std::string(AnswerContent::kMostText, 'x'), 1000};
  EXPECT_TRUE(compared(text, text).identical);
  const Answer long_text{"text/plain", text.body + "x", 1000};
  EXPECT_EQ(why_not(text, long_text), NotCompared::kTooLong);
  const Answer long_json{kJson, std::string(AnswerContent::kMostJson + 1, ' '), 1000};
  EXPECT_EQ(why_not(long_json, text), NotCompared::kTooLong);
  const Answer long_event{kEvents, "data: " + std::string(AnswerContent::kMostJson, 'x'), 1000};
  EXPECT_EQ(why_not(long_event, text), NotCompared::kTooLong);
  const Answer long_stream{
      kEvents, chunks("1", std::vector<std::string>(10, std::string(10'000, 'x'))), 1000};
  EXPECT_EQ(why_not(long_stream, text), NotCompared::kTooLong);
  const Answer grpc{"application/grpc+proto", "x"};
  EXPECT_EQ(why_not(grpc, grpc), NotCompared::kUnknownForm);
  const Answer calls{kEvents,
                     "data: {\"choices\":[{\"delta\":{\"tool_calls\":[{}]}}]}\n\ndata: [DONE]\n\n"};
  EXPECT_EQ(why_not(calls, calls), NotCompared::kUnknownForm);
  AnswerContent binary;
  binary.begin(
      {{"content-type", "application/octet-stream"}, {"inference-header-content-length", "3"}});
  EXPECT_EQ(std::get<NotCompared>(compare(binary, binary)), NotCompared::kUnknownForm);
}

TEST(AnswerContent, BeginsAnewWithAnotherTry) {
  AnswerContent content;
  content.begin({{"content-type", "image/png"}});
  content.add("half of it");
  content.begin({{"content-type", "text/plain"}});
  content.add("hi");
  content.end();
  const auto result = compare(content, read({"text/plain", "hi"}));
  EXPECT_TRUE(std::get<Comparison>(result).identical);
}

TEST(AnswerPair, IsComparedByWhoEndsLast) {
  using Side = AnswerPair::Side;
  for (const Side first : {Side::kStable, Side::kCandidate}) {
    const Side last = first == Side::kStable ? Side::kCandidate : Side::kStable;
    AnswerPair pair;
    for (const Side side : {first, last}) {
      pair.of(side).begin({{"content-type", "text/plain"}});
      pair.of(side).add("same");
    }
    EXPECT_FALSE(pair.ended(first, std::nullopt));
    const auto result = pair.ended(last, std::nullopt);
    ASSERT_TRUE(result);
    EXPECT_TRUE(std::get<Comparison>(*result).identical);
    AnswerPair failed;
    EXPECT_FALSE(failed.ended(first, NotCompared::kFailed));
    EXPECT_EQ(std::get<NotCompared>(*failed.ended(last, std::nullopt)), NotCompared::kFailed);
  }
}

}  // namespace
}  // namespace serin::gateway
