// SPDX-License-Identifier: Apache-2.0
#include "gateway/stream/continued_stream.h"

#include <gmock/gmock.h>

#include "base/json.h"
#include "gateway/stream/stream_for_test.h"

namespace serin::gateway {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::Not;

constexpr std::string_view kFirst = "chatcmpl-000000000000000000000001";
constexpr std::string_view kSecond = "chatcmpl-000000000000000000000002";
constexpr std::uint64_t kSeed = 7;

ContinuedStream begin(bool asked_tokens = false) {
  return {"4e91648df8d533e9", "9f3a5c01", kSeed, asked_tokens};
}

std::string whole(bool asked_tokens = false) {
  ContinuedStream stream = begin(asked_tokens);
  std::string out;
  EXPECT_TRUE(stream.feed(TestStream(kFirst, 1000, 5).stream({}), out));
  EXPECT_TRUE(stream.ended());
  return out;
}

TEST(ContinuedStream, PassesEventsOnWithIdsAndWithoutTokensThatNobodyAskedFor) {
  const std::string out = whole();
  EXPECT_THAT(out, HasSubstr("id: 4e91648df8d533e9.9f3a5c01.7.1000." + std::string(kFirst) +
                             ".1\ndata: {\"id\":"));
  EXPECT_THAT(out, Not(HasSubstr(R"(,"serin":{"tokens":[100]})")));
  EXPECT_THAT(out, HasSubstr(R"(\"w100\"\n,\"serin\":{\"tokens\":[1]}})"));  // a text stays
  EXPECT_THAT(out, HasSubstr(".8\ndata: {"));
  EXPECT_THAT(out, HasSubstr(".9\ndata: [DONE]\n\n"));
  EXPECT_THAT(whole(true), HasSubstr(R"(,"serin":{"tokens":[100]}})"));
}

TEST(ContinuedStream, EveryEventIsWhatTheWorkerSaid) {
  ContinuedStream stream = begin(true);
  std::string out;
  const std::string said = TestStream(kFirst, 1000, 3).stream({});
  ASSERT_TRUE(stream.feed(said, out));
  std::string without_ids;
  for (std::size_t at = 0; at < out.size();) {
    const std::size_t line = out.find('\n', at) + 1;
    if (out.compare(at, 4, "id: ") != 0) without_ids += out.substr(at, line - at);
    at = line;
  }
  EXPECT_EQ(without_ids, said);
}

TEST(ContinuedStream, IsTheSameWhereverAWorkerDies) {
  const std::string uncut = whole();
  const std::string said = TestStream(kFirst, 1000, 5).stream({});
  for (std::size_t cut = 0; cut < said.size(); ++cut) {
    ContinuedStream stream = begin();
    std::string out;
    ASSERT_TRUE(stream.feed(said.substr(0, cut), out));
    ASSERT_FALSE(stream.ended());
    stream.go_on();
    ASSERT_TRUE(stream.feed(TestStream(kSecond, 2000, 5).stream(stream.tokens()), out));
    ASSERT_TRUE(stream.ended());
    // A client that got nothing yet knows nothing of the first worker's name for the answer.
    if (cut >= said.find("\n\n") + 2) ASSERT_EQ(out, uncut) << "cut at " << cut;
  }
}

TEST(ContinuedStream, SurvivesADeathInEveryContinuation) {
  const std::string uncut = whole();
  for (std::size_t step = 1; step < 400; step += 7) {
    ContinuedStream stream = begin();
    std::string out;
    ASSERT_TRUE(stream.feed(TestStream(kFirst, 1000, 5).stream({}).substr(0, 300), out));
    for (int tries = 0; !stream.ended() && tries < 100; ++tries) {
      stream.go_on();
      const std::string more = TestStream(kSecond, 2000 + tries, 5).stream(stream.tokens());
      ASSERT_TRUE(stream.feed(more.substr(0, 600 + step), out));
    }
    ASSERT_EQ(out, uncut) << step;
  }
}

TEST(ContinuedStream, GivesAClientThatComesBackTheIdenticalRest) {
  const std::string uncut = whole();
  std::size_t events = 0;
  for (std::size_t at = uncut.find("\n\n"); at != std::string::npos; at = uncut.find("\n\n", at)) {
    at += 2;
    ++events;
    const std::size_t line = uncut.rfind("id: ", at - 1) + 4;
    const auto position = read_event_id(uncut.substr(line, uncut.find('\n', line) - line));
    ASSERT_TRUE(position);
    ASSERT_EQ(position->events, events);
    ContinuedStream stream(*position, false);
    std::string out;
    ASSERT_TRUE(stream.feed(TestStream(kSecond, 2000, 5).stream({}), out));
    EXPECT_EQ(out, uncut.substr(at));
  }
  EXPECT_EQ(events, 9u);
}

TEST(ContinuedStream, ReadsBytesHoweverTheyCome) {
  const std::string uncut = whole();
  const std::string said = TestStream(kFirst, 1000, 5).stream({});
  for (const std::size_t size : {1u, 2u, 3u, 7u, 64u, 1000u}) {
    ContinuedStream stream = begin();
    std::string out;
    for (std::size_t at = 0; at < said.size(); at += size) {
      ASSERT_TRUE(stream.feed(std::string_view(said).substr(at, size), out));
    }
    EXPECT_EQ(out, uncut) << size;
  }
}

TEST(ContinuedStream, RemembersTokensOnce) {
  ContinuedStream stream = begin();
  std::string out;
  const std::string said = TestStream(kFirst, 1000, 5).stream({});
  ASSERT_TRUE(stream.feed(said.substr(0, said.find("[104]")), out));
  EXPECT_THAT(stream.tokens(), ElementsAre(100, 101));
  EXPECT_EQ(stream.position().events, 3u);
  stream.go_on();
  EXPECT_THAT(stream.tokens(), ElementsAre(100, 101));
}

TEST(ContinuedStream, AnErrorThatCanBeTriedAgainIsTheWorkersAlone) {
  ContinuedStream stream = begin();
  std::string out;
  const auto broken = stream.feed(
      "event: error\ndata: {\"error\":{\"message\":\"draining\",\"retryable\":true}}\n\n", out);
  ASSERT_FALSE(broken);
  EXPECT_EQ(broken.error().code, Code::kAborted);
  EXPECT_EQ(broken.error().message, "draining");
  EXPECT_EQ(out, "");

  ContinuedStream other = begin();
  ASSERT_TRUE(other.feed(
      "event: error\ndata: {\"error\":{\"message\":\"no\",\"retryable\":false}}\n\n", out));
  EXPECT_TRUE(other.ended());
  EXPECT_TRUE(other.failed());
  EXPECT_THAT(out, HasSubstr("event: error"));
}

TEST(ContinuedStream, RefusesWhatNoWorkerWrites) {
  for (const std::string_view bytes : {
           "data: {}\n\n",
           "data: [1]\n\n",
           "event: progress\ndata: {}\n\n",
           "data: {\"id\":\"x\"}\n\n",
           "data: {\"id\":\"x\",\"created\":12\n\n",
           "data: {\"id\":\"x\",\"created\":1,\"serin\":{\"tokens\":[1,a]}}\n\n",
           "data: {\"id\":\"x\",\"created\":1,\"serin\":{\"tokens\":[1\n\n",
           "event: error\ndata: {\n\n",
       }) {
    ContinuedStream stream = begin();
    std::string out;
    const auto taken = stream.feed(bytes, out);
    ASSERT_FALSE(taken) << bytes;
    EXPECT_EQ(taken.error().code, Code::kAborted);
    EXPECT_EQ(out, "");
  }
  ContinuedStream stream = begin();
  std::string out;
  EXPECT_FALSE(stream.feed(std::string(kMostEventBytes + 1, 'x'), out));
}

TEST(Continuation, IsPutIntoTheBody) {
  const std::int64_t tokens[] = {291, 3252};
  EXPECT_EQ(with_continuation(R"({"prompt":"a"})", tokens),
            R"({"serin_continue":[291,3252],"prompt":"a"})");
  EXPECT_EQ(with_continuation(" { }", tokens), R"( {"serin_continue":[291,3252] })");
  EXPECT_TRUE(parse_json(with_continuation(" {\n\"a\": 1}", tokens)));
}

}  // namespace
}  // namespace serin::gateway
