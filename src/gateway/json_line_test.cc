// SPDX-License-Identifier: Apache-2.0
#include "gateway/json_line.h"

#include <gtest/gtest.h>

#include <limits>

#include "base/json.h"

namespace serin::gateway {
namespace {

TEST(JsonLine, WritesMembersInTheirOrder) {
  std::string line = "before ";
  JsonLine made(line);
  made.text("text", "a");
  made.count("count", std::numeric_limits<std::uint64_t>::max());
  made.number("number", 0.1);
  made.fixed("fixed", 0.25, 6);
  made.flag("flag", false);
  JsonLine inner = made.object("inner");
  inner.flag("flag", true);
  inner.count("count", 0);
  inner.close();
  made.object("none").close();
  made.close();
  EXPECT_EQ(line, R"(before {"text":"a","count":18446744073709551615,"number":0.1,)"
                  R"("fixed":0.250000,"flag":false,"inner":{"flag":true,"count":0},"none":{}})");
}

TEST(JsonLine, WritesTextsThatAreReadAsTheyWere) {
  std::string text = "plain \"quoted\" back\\slash \x7f größer";
  for (char c = 0; c < 0x20; ++c) text += c;
  std::string line;
  JsonLine made(line);
  made.text("text", text);
  made.text("empty", "");
  made.text("a \"name\"", "b");
  made.close();
  EXPECT_EQ(json::parse(line).at("text").as_string(), text);
  EXPECT_EQ(json::parse(line).at("empty").as_string(), "");
  EXPECT_EQ(json::parse(line).at("a \"name\"").as_string(), "b");
}

TEST(JsonLine, WritesNumbersThatAreReadAsTheyWere) {
  for (const double number : {0.0, 1.0, -2.0, 1e300, 5e-324, 1764363600.1234567, 0.1 + 0.2}) {
    std::string line;
    JsonLine made(line);
    made.number("number", number);
    made.close();
    ASSERT_TRUE(json::parse(line).at("number").is_double()) << line;
    EXPECT_EQ(json::parse(line).at("number").as_double(), number) << line;
  }
}

TEST(JsonLine, HasNoNumberForWhatIsNotFinite) {
  std::string line;
  JsonLine made(line);
  made.number("never", std::numeric_limits<double>::infinity());
  made.close();
  EXPECT_EQ(line, R"({"never":null})");
}

}  // namespace
}  // namespace serin::gateway
