// SPDX-License-Identifier: Apache-2.0
#include "worker/upstream/log_lines.h"

#include <gmock/gmock.h>

#include <vector>

namespace serin::worker {
namespace {

using testing::ElementsAre;

struct Log {
  std::vector<std::string> lines;
  std::uint64_t dropped = 0;
  LogLines read{[this](std::string_view line, std::uint64_t before) {
                  lines.emplace_back(line);
                  dropped += before;
                },
                {.line_bytes = 8, .lines_per_second = 3}};
  Instant now{std::chrono::seconds(100)};
};

TEST(LogLines, AreThoseOfTheCommandHoweverTheyCome) {
  Log log;
  for (const char* piece : {"on", "e\ntwo\r\n\n", "thr", "ee"}) log.read.feed(piece, log.now);
  EXPECT_THAT(log.lines, ElementsAre("one", "two"));
  log.read.end(log.now);
  EXPECT_THAT(log.lines, ElementsAre("one", "two", "three"));
}

TEST(LogLines, AreCutWhereTheyAreTooLong) {
  Log log;
  log.read.feed("123456789\n12345678\n", log.now);
  EXPECT_THAT(log.lines, ElementsAre("12345678 …", "12345678"));
}

TEST(LogLines, BeyondTheRateAreCountedAndNotWritten) {
  Log log;
  for (int i = 0; i < 10; ++i) log.read.feed("x\n", log.now);
  EXPECT_EQ(log.lines.size(), 3u);
  EXPECT_EQ(log.dropped, 0u);
  log.read.feed("y\n", log.now + std::chrono::seconds(1));
  EXPECT_EQ(log.lines.back(), "y");
  EXPECT_EQ(log.dropped, 7u);
}

}  // namespace
}  // namespace serin::worker
