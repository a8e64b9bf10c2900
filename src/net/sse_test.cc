// SPDX-License-Identifier: Apache-2.0
#include "net/sse.h"

#include <gtest/gtest.h>

namespace serin::net {
namespace {

std::vector<SseEvent> parse(std::string_view bytes, std::size_t step) {
  SseParser parser;
  std::vector<SseEvent> events;
  for (std::size_t at = 0; at < bytes.size(); at += step)
    EXPECT_TRUE(parser.feed(bytes.substr(at, step), events));
  return events;
}

TEST(Sse, GivesBackWhatWasWrittenHoweverItIsCut) {
  const SseEvent written[] = {
      {"", "one", ""}, {"progress", "two\nlines\n", "7"}, {"", "", "x"}, {"", " space", ""}};
  std::string bytes;
  for (const SseEvent& event : written) bytes += to_sse(event);
  for (std::size_t step = 1; step <= bytes.size(); ++step) {
    const auto events = parse(bytes, step);
    ASSERT_EQ(events.size(), 4u);
    for (std::size_t i = 0; i < 4; ++i) {
      EXPECT_EQ(events[i].event, written[i].event);
      EXPECT_EQ(events[i].data, written[i].data);
      EXPECT_EQ(events[i].id, written[i].id);
    }
  }
}

TEST(Sse, TakesEveryLineEndAndIgnoresWhatItDoesNotKnow) {
  const auto events = parse(
      "\xEF\xBB\xBF: comment\r\ndata:a\rdata\ndata: b\r\n\r\nevent: none\n\nretry: 5\nfoo: "
      "bar\ndata: c\n\ndata: cut",
      1);
  ASSERT_EQ(events.size(), 2u);
  EXPECT_EQ(events[0].data, "a\n\nb");
  EXPECT_EQ(events[1].data, "c");
  EXPECT_EQ(events[1].event, "");
}

TEST(Sse, NeverLetsAFieldBeginAnother) {
  const auto events = parse(to_sse({"a\ndata: x", "b\r\nevent: y\rc", "1\n\n"}), 1);
  ASSERT_EQ(events.size(), 1u);
  EXPECT_EQ(events[0].event, "a data: x");
  EXPECT_EQ(events[0].data, "b\nevent: y\nc");
  EXPECT_EQ(events[0].id, "1  ");
}

TEST(Sse, StopsAtItsLimit) {
  SseParser parser(100);
  std::vector<SseEvent> events;
  EXPECT_TRUE(parser.feed("data: " + std::string(80, 'x') + "\n", events));
  EXPECT_FALSE(parser.feed("data: " + std::string(80, 'x') + "\n", events));
  SseParser line(100);
  EXPECT_FALSE(line.feed(std::string(101, 'x'), events));
}

}  // namespace
}  // namespace serin::net
