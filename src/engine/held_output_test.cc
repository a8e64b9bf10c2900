// SPDX-License-Identifier: Apache-2.0
#include "engine/held_output.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdio>

namespace serin::engine {
namespace {

TEST(HeldOutput, IsWhatWasWrittenMeanwhile) {
  testing::internal::CaptureStderr();
  std::fputs("before\n", stderr);
  const auto lines = held_output_of([] {
    std::fputs("one\n", stderr);
    static_cast<void>(::write(STDERR_FILENO, "two\nthree", 9));
  });
  std::fputs("after\n", stderr);
  EXPECT_EQ(lines, (std::vector<std::string>{"one", "two", "three"}));
  EXPECT_EQ(testing::internal::GetCapturedStderr(), "before\nafter\n");
}

TEST(HeldOutput, GoesOnUnlessALibraryWroteIt) {
  testing::internal::CaptureStderr();
  pass_on({"I0000 00:00:1795529672.065616   11357 port.cc:153] oneDNN custom operations are on.",
           R"({"level":"info"})"},
          "tensorflow");
  EXPECT_EQ(testing::internal::GetCapturedStderr(), "{\"level\":\"info\"}\n");
  EXPECT_TRUE(is_library_line("WARNING: All log messages before absl::InitializeLog() is called"));
  EXPECT_TRUE(is_library_line("E0000 00:00:1 x.cc:1] no"));
  for (const char* line : {"", "I", "In a sentence", "I000 x", "12345 x", R"({"level":"info"})"})
    EXPECT_FALSE(is_library_line(line)) << line;
}

}  // namespace
}  // namespace serin::engine
