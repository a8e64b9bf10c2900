// SPDX-License-Identifier: Apache-2.0
#include "platform/local/logs.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <fstream>

#include "base/descriptor.h"
#include "base/files.h"

namespace serin::platform::local {
namespace {

namespace fs = std::filesystem;

class Logs : public testing::Test {
 protected:
  void SetUp() override { fs::create_directories(log_.parent_path()); }
  void append(const std::string& text, const std::string& replica = "story-v1-1") {
    std::ofstream(log_of(folder_.path(), "story", replica), std::ios::app) << text;
  }
  std::string at(const std::string& suffix) {
    return read_file(log_.string() + suffix).value_or("missing");
  }

  TemporaryDirectory folder_ = *TemporaryDirectory::create();
  fs::path log_ = log_of(folder_.path(), "story", "story-v1-1");
};

TEST_F(Logs, TailHasTheLastLines) {
  append("one\ntwo\nthree\n");
  EXPECT_EQ(tail(log_, 2), "two\nthree\n");
  EXPECT_EQ(tail(log_, 3), "one\ntwo\nthree\n");
  EXPECT_EQ(tail(log_, 100), "one\ntwo\nthree\n");
  EXPECT_EQ(tail(log_, 0), "");
  append("unfinished");
  EXPECT_EQ(tail(log_, 2), "three\nunfinished");
}

TEST_F(Logs, TailGoesOnInOlderFiles) {
  append("one\ntwo\n");
  ASSERT_TRUE(*rotate(log_, {.bytes = 4, .older = 2, .replicas = 1}));
  append("three\n");
  EXPECT_EQ(tail(log_, 2), "two\nthree\n");
  EXPECT_EQ(tail(log_, 9), "one\ntwo\nthree\n");
}

TEST_F(Logs, TailIsBounded) {
  append(std::string(3U << 20, 'x'));
  EXPECT_EQ(tail(log_, 1).size(), kTailBytes);
}

TEST_F(Logs, TailOfNothingIsEmpty) { EXPECT_EQ(tail(log_, 10), ""); }

TEST_F(Logs, RotationKeepsTheNewestFiles) {
  const LogLimits limits{.bytes = 4, .older = 2, .replicas = 1};
  for (const char* text : {"first", "second", "third", "fourth"}) {
    append(text);
    ASSERT_TRUE(*rotate(log_, limits));
  }
  EXPECT_EQ(at(""), "");
  EXPECT_EQ(at(".1"), "fourth");
  EXPECT_EQ(at(".2"), "third");
  EXPECT_EQ(at(".3"), "missing");
  append("ok");
  EXPECT_FALSE(*rotate(log_, limits));
}

TEST_F(Logs, AWriterThatHasTheFileOpenGoesOnAtItsBeginning) {
  const Descriptor writer(::open(log_.c_str(), O_WRONLY | O_CREAT | O_APPEND, 0600));
  ASSERT_EQ(::write(writer.get(), "before", 6), 6);
  ASSERT_TRUE(*rotate(log_, {.bytes = 4, .older = 1, .replicas = 1}));
  ASSERT_EQ(::write(writer.get(), "after", 5), 5);
  EXPECT_EQ(at(".1"), "before");
  EXPECT_EQ(at(""), "after");
}

TEST_F(Logs, OldReplicasGoTheLongestUnwrittenFirst) {
  const auto now = fs::file_time_type::clock::now();
  for (int i = 1; i <= 4; ++i) {
    const std::string replica = "story-v1-" + std::to_string(i);
    append("x", replica);
    fs::last_write_time(log_of(folder_.path(), "story", replica), now - std::chrono::hours(10 - i));
  }
  remove_old(folder_.path(), "story", {"story-v1-1"}, {.bytes = 1, .older = 1, .replicas = 1});
  EXPECT_EQ(logged(folder_.path(), "story"),
            (std::vector<std::string>{"story-v1-1", "story-v1-4"}));
}

}  // namespace
}  // namespace serin::platform::local
