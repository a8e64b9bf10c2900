// SPDX-License-Identifier: Apache-2.0
#include "gateway/feedback/feedback.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <thread>

#include "base/files.h"
#include "base/json.h"
#include "gateway/feedback/feedback_log.h"
#include "gateway/feedback/memory.h"

namespace serin::gateway {
namespace {

using testing::HasSubstr;
using Taken = RequestMemory::Taken;

TEST(Feedback, IsARatingACorrectionOrAComment) {
  EXPECT_EQ(*read_feedback(R"({"requestId": "r1", "rating": 0.25})"),
            (Feedback{.request_id = "r1", .rating = 0.25, .correction = {}, .comment = {}}));
  EXPECT_EQ(read_feedback(R"({"requestId": "r1", "rating": "up"})")->rating, 1);
  EXPECT_EQ(read_feedback(R"({"requestId": "r1", "rating": "down"})")->rating, 0);
  EXPECT_EQ(
      *read_feedback(R"({"requestId": "r1", "correction": "Paris", "comment": "Lyon?"})"),
      (Feedback{.request_id = "r1", .rating = {}, .correction = "Paris", .comment = "Lyon?"}));
}

TEST(Feedback, SaysWhichFieldIsWrong) {
  const auto wrong = [](std::string_view body) {
    const auto read = read_feedback(body);
    return read ? "nothing" : read.error().param + " " + read.error().message;
  };
  EXPECT_THAT(wrong("[]"), HasSubstr("must be an object"));
  EXPECT_THAT(wrong("{"), HasSubstr("line 1"));
  EXPECT_THAT(wrong(R"({"rating": 1})"), testing::StartsWith("requestId "));
  EXPECT_THAT(wrong(R"({"requestId": 7, "rating": 1})"), testing::StartsWith("requestId "));
  EXPECT_THAT(wrong(R"({"requestId": "r"})"), testing::StartsWith("rating "));
  for (const char* rating : {"1.01", "-0.1", "true", "\"good\"", "null", "1e999"}) {
    EXPECT_THAT(wrong(std::string(R"({"requestId": "r", "rating": )") + rating + "}"),
                testing::AnyOf(testing::StartsWith("rating "), HasSubstr("line 1")))
        << rating;
  }
  EXPECT_THAT(wrong(R"({"requestId": "r", "ratings": 1})"), HasSubstr("did you mean rating?"));
  EXPECT_THAT(
      wrong(R"({"requestId": "r", "comment": ")" + std::string(kLongestComment + 1, 'x') + "\"}"),
      HasSubstr("at most 4096 bytes"));
}

TEST(Feedback, HasALineOfJson) {
  const Feedback feedback{.request_id = "r1", .rating = 0.5, .correction = "a\nb", .comment = {}};
  const std::string line = feedback_line(
      feedback,
      {.time = {}, .service = "s", .version = "v2", .package = "sha256:1", .client = "ann"});
  EXPECT_EQ(line.find('\n'), line.size() - 1);
  EXPECT_EQ(json::parse(line),
            json::parse(R"({"time":"1970-01-01T00:00:00.000Z","requestId":"r1","service":"s",
                            "version":"v2","package":"sha256:1","client":"ann","rating":0.5,
                            "correction":"a\nb"})"));
}

Remembered request_of(double assigned) {
  Remembered made;
  made.assigned = assigned;
  return made;
}
Feedback rating(std::string id, double value) {
  return {.request_id = std::move(id), .rating = value, .correction = {}, .comment = {}};
}
Feedback correction(std::string id, std::string text) {
  return {.request_id = std::move(id), .rating = {}, .correction = std::move(text), .comment = {}};
}

TEST(RequestMemory, ForgetsTheOldest) {
  RequestMemory memory(3);
  EXPECT_FALSE(memory.find("a"));
  for (const char* id : {"a", "b", "c"}) memory.add(id, request_of(1));
  EXPECT_TRUE(memory.find("a"));
  memory.add("d", request_of(1));
  EXPECT_FALSE(memory.find("a"));
  EXPECT_TRUE(memory.find("b") && memory.find("c") && memory.find("d"));
  for (int i = 0; i < 1000; ++i) memory.add(std::to_string(i), request_of(i));
  EXPECT_EQ(memory.find("999")->assigned, 999);
  EXPECT_FALSE(memory.find("996"));
}

TEST(RequestMemory, KnowsTheLaterOfTwoWithOneId) {
  RequestMemory memory(3);
  memory.add("a", request_of(1));
  memory.add("a", request_of(2));
  EXPECT_EQ(memory.find("a")->assigned, 2);
  memory.add("b", request_of(3));
  memory.add("c", request_of(4));  // in the place of the first
  EXPECT_EQ(memory.find("a")->assigned, 2);
  memory.add("d", request_of(5));
  EXPECT_FALSE(memory.find("a"));
}

TEST(RequestMemory, OfNoRequestRemembersNone) {
  RequestMemory memory(0);
  memory.add("a", request_of(1));
  EXPECT_FALSE(memory.find("a"));
}

TEST(RequestMemory, TakesARatingOnce) {
  RequestMemory memory;
  EXPECT_EQ(memory.take(rating("a", 1)), Taken::kForgotten);
  memory.add("a", request_of(1));
  EXPECT_EQ(memory.take(rating("a", 1)), Taken::kNew);
  EXPECT_EQ(memory.take(rating("a", 1)), Taken::kRepeated);
  EXPECT_EQ(memory.take(rating("a", 0)), Taken::kOther);
  Feedback both = rating("a", 1);
  both.correction = "better";
  EXPECT_EQ(memory.take(both), Taken::kNew);
  EXPECT_EQ(memory.take(both), Taken::kRepeated);
  EXPECT_EQ(memory.take(correction("a", "better")), Taken::kRepeated);
}

TEST(RequestMemory, TakesSoManyCorrectionsOfARequest) {
  RequestMemory memory;
  memory.add("a", request_of(1));
  for (int i = 0; i < RequestMemory::kMostSent; ++i)
    EXPECT_EQ(memory.take(correction("a", std::to_string(i))), Taken::kNew);
  EXPECT_EQ(memory.take(correction("a", "more")), Taken::kTooMany);
}

class FeedbackFile : public testing::Test {
 protected:
  std::filesystem::path path(int number = 0) const {
    std::filesystem::path made = folder_.path() / "feedback.jsonl";
    return number == 0 ? made : made += "." + std::to_string(number);
  }
  TemporaryDirectory folder_ = *TemporaryDirectory::create();
};

TEST_F(FeedbackFile, IsRotatedAndTheOldestGoes) {
  const FeedbackLog log(path(), 10);
  for (int i = 0; i < 14; ++i) ASSERT_TRUE(log.write("line" + std::to_string(10 + i) + "\n"));
  EXPECT_EQ(*read_file(path()), "line23\n");
  EXPECT_EQ(*read_file(path(1)), "line22\n");
  EXPECT_EQ(*read_file(path(4)), "line19\n");
  EXPECT_FALSE(std::filesystem::exists(path(5)));
  const auto others = std::filesystem::perms::group_all | std::filesystem::perms::others_all;
  EXPECT_EQ(std::filesystem::status(path()).permissions() & others, std::filesystem::perms::none);
}

TEST_F(FeedbackFile, IsSharedByGatewaysWithoutALineLost) {
  constexpr int kLines = 200;
  std::vector<std::jthread> gateways;
  for (int i = 0; i < 3; ++i) {
    gateways.emplace_back([&] {
      const FeedbackLog log(path(), 2000);  // all lines fit in five files
      for (int line = 0; line < kLines; ++line) EXPECT_TRUE(log.write("0123456789\n"));
    });
  }
  gateways.clear();
  std::size_t bytes = 0;
  for (int i = 0; i <= FeedbackLog::kOlder; ++i) {
    if (const auto text = read_file(path(i))) bytes += text->size();
  }
  EXPECT_EQ(bytes, 3u * kLines * 11);
}

TEST_F(FeedbackFile, SaysWhenItCannotBeWritten) {
  const FeedbackLog nowhere(folder_.path() / "none" / "feedback.jsonl", 1000);
  const Status written = nowhere.write("line\n");
  ASSERT_FALSE(written);
  EXPECT_THAT(written.error().message, HasSubstr("none/feedback.jsonl"));
  EXPECT_FALSE(FeedbackLog("/dev/full", 1000).write("line\n"));
}

}  // namespace
}  // namespace serin::gateway
