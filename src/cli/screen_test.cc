// SPDX-License-Identifier: Apache-2.0
#include "cli/screen.h"

#include <gtest/gtest.h>

#include "cli/live_view.h"

namespace serin::cli {
namespace {

TEST(Screen, ClearsWhatTheLastPageLeft) {
  EXPECT_EQ(frame("ab\nc\n", {80, 24}), "\x1b[Hab\x1b[K\r\nc\x1b[K\x1b[J");
  EXPECT_EQ(frame("", {80, 24}), "\x1b[H\x1b[J");
}

TEST(Screen, CutsWhatDoesNotFit) {
  EXPECT_EQ(frame("abcdef\n12\n34\n", {4, 2}), "\x1b[Habcd\x1b[K\r\n12\x1b[K\x1b[J");
  EXPECT_EQ(frame("…äöü\n", {2, 2}), "\x1b[H…ä\x1b[K\x1b[J");
}

TEST(Screen, LetsNoTextSteerTheTerminal) {
  EXPECT_EQ(frame("a\x1b[2Jb\tc\n", {80, 2}), "\x1b[Ha [2Jb c\x1b[K\x1b[J");
}

TEST(LiveView, GivesTheLastEventsTheRoomThatIsLeft) {
  LiveView view;
  view.head = "serin";
  view.notices = {"story.yaml: no such file", std::string(85, 'x')};
  for (int i = 0; i < 5; ++i)
    view.events.push_back({{"time", "2026-01-01T00:00:00.000Z"},
                           {"service", "story"},
                           {"version", ""},
                           {"type", "Normal"},
                           {"reason", "Event" + std::to_string(i)},
                           {"message", ""}});
  const std::string page = live_page(view, {80, 10});
  EXPECT_NE(page.find("! story.yaml: no such file\n! xx"), std::string::npos);
  EXPECT_NE(page.find("\nxxxxxxx\n"), std::string::npos) << page;
  EXPECT_NE(page.find("Event4"), std::string::npos) << page;
  EXPECT_NE(page.find("Event3"), std::string::npos) << page;
  EXPECT_EQ(page.find("Event2"), std::string::npos) << page;
}

TEST(LastLines, AreTheNewest) {
  EXPECT_EQ(last_lines("a\nb\nc\n", 2), "b\nc\n");
  EXPECT_EQ(last_lines("a\nb\nc\n", 3), "a\nb\nc\n");
  EXPECT_EQ(last_lines("a\n", 9), "a\n");
  EXPECT_EQ(last_lines("a\nb\n", 0), "");
  EXPECT_EQ(last_lines("", 3), "");
}

}  // namespace
}  // namespace serin::cli
