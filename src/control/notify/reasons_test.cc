// SPDX-License-Identifier: Apache-2.0
#include "control/notify/reasons.h"

#include <gmock/gmock.h>

#include <filesystem>
#include <regex>
#include <set>

#include "base/files.h"

namespace serin::control::notify {
namespace {

using testing::HasSubstr;

std::string wrong_with(std::string_view pattern) {
  const Status checked = check_pattern(pattern);
  return checked ? "" : checked.error().message;
}

TEST(Reasons, FitPatternsAndAreNamedWhereOneIsMisspelt) {
  for (const char* pattern : {"*", "Roll*", "RolledBack", "WorkerEnded"})
    EXPECT_EQ(wrong_with(pattern), "") << pattern;
  EXPECT_THAT(wrong_with("RoledBack"), HasSubstr("did you mean RolledBack?"));
  EXPECT_THAT(wrong_with("Nonsense*"), HasSubstr("\"Nonsense*\" fits the reason of no event"));
  EXPECT_NE(wrong_with("WebhookFailed"), "") << "nobody is told of it";
}

TEST(Reasons, AreThoseThatTheDocumentationHas) {
  const auto page = read_file(std::filesystem::path(SERIN_SOURCE_DIR) / "docs/notifications.md");
  ASSERT_TRUE(page.has_value()) << page.error().message;
  const std::size_t from = page->find("| reasons | of |"), to = page->find("\n\n", from);
  ASSERT_NE(to, std::string::npos);
  const std::string table = page->substr(from, to - from);
  const std::regex word("`([A-Za-z]+)`");
  std::set<std::string> documented;
  for (std::sregex_iterator at(table.begin(), table.end(), word), end; at != end; ++at)
    documented.insert((*at)[1]);
  EXPECT_EQ(documented, std::set<std::string>(reasons().begin(), reasons().end()));
}

}  // namespace
}  // namespace serin::control::notify
