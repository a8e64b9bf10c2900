// SPDX-License-Identifier: Apache-2.0
#include "base/json.h"

#include "base/json_members.h"

#include <gtest/gtest.h>
#include <bit>

namespace serin {
namespace {

std::string canonical(std::string_view text) {
  const Result<json::value> value = parse_json(text);
  return value ? canonical_json(*value) : "error: " + value.error().message;
}

std::string error_of(std::string_view text, const JsonLimits& limits = {}) {
  const Result<json::value> value = parse_json(text, limits);
  return value ? "accepted" : value.error().message;
}

TEST(CanonicalJson, GivesTheResultOfTheExampleInTheRfc) {
  // RFC 8785, sections 3.2.2 to 3.2.4.
  EXPECT_EQ(canonical(R"({
    "numbers": [333333333.33333329, 1E30, 4.50, 2e-3, 0.000000000000000000000000001],
    "string": "\u20ac$\u000F\u000aA'\u0042\u0022\u005c\\\"\/",
    "literals": [null, true, false]
  })"),
            "{\"literals\":[null,true,false],\"numbers\":[333333333.3333333,1e+30,4.5,0.002,1e-27],"
            "\"string\":\"€$\\u000f\\nA'B\\\"\\\\\\\\\\\"/\"}");
}

TEST(CanonicalJson, SortsKeysByUtf16CodeUnits) {
  // RFC 8785, section 3.2.3: U+1F600 (surrogates D83D DE00) stands before U+FB33.
  EXPECT_EQ(
      canonical(
          R"({"\u20ac": "Euro Sign", "\r": "Carriage Return", "\ufb33": "Hebrew Letter Dalet With Dagesh",
    "1": "One", "\ud83d\ude00": "Emoji: Grinning Face", "\u0080": "Control", "\u00f6": "Latin Small Letter O With Diaeresis"})"),
      "{\"\\r\":\"Carriage Return\",\"1\":\"One\",\"\xc2\x80\":\"Control\","
      "\"ö\":\"Latin Small Letter O With Diaeresis\",\"€\":\"Euro Sign\","
      "\"😀\":\"Emoji: Grinning Face\",\"\xef\xac\xb3\":\"Hebrew Letter Dalet With Dagesh\"}");
}

TEST(CanonicalJson, WritesTheNumbersOfTheRfcsTable) {
  // RFC 8785, appendix B: IEEE 754 bits and what they become.
  const std::pair<std::uint64_t, const char*> table[] = {
      {0x0000000000000000, "0"},
      {0x8000000000000000, "0"},
      {0x0000000000000001, "5e-324"},
      {0x8000000000000001, "-5e-324"},
      {0x7fefffffffffffff, "1.7976931348623157e+308"},
      {0xffefffffffffffff, "-1.7976931348623157e+308"},
      {0x4340000000000000, "9007199254740992"},
      {0xc340000000000000, "-9007199254740992"},
      {0x4430000000000000, "295147905179352830000"},
      {0x44b52d02c7e14af5, "9.999999999999997e+22"},
      {0x44b52d02c7e14af6, "1e+23"},
      {0x44b52d02c7e14af7, "1.0000000000000001e+23"},
      {0x444b1ae4d6e2ef4e, "999999999999999700000"},
      {0x444b1ae4d6e2ef4f, "999999999999999900000"},
      {0x444b1ae4d6e2ef50, "1e+21"},
      {0x3eb0c6f7a0b5ed8c, "9.999999999999997e-7"},
      {0x3eb0c6f7a0b5ed8d, "0.000001"},
      {0x41b3de4355555553, "333333333.3333332"},
      {0x41b3de4355555554, "333333333.33333325"},
      {0x41b3de4355555555, "333333333.3333333"},
      {0x41b3de4355555556, "333333333.3333334"},
      {0x41b3de4355555557, "333333333.33333343"},
      {0xbecbf647612f3696, "-0.0000033333333333333333"},
      {0x43143ff3c1cb0959, "1424953923781206.2"},
  };
  for (const auto& [bits, text] : table) {
    EXPECT_EQ(canonical_json(json::value(std::bit_cast<double>(bits))), text) << std::hex << bits;
  }
}

TEST(CanonicalJson, KeepsEveryDigitOfA64BitInteger) {
  EXPECT_EQ(canonical("[9223372036854775807, -9223372036854775808, 18446744073709551615]"),
            "[9223372036854775807,-9223372036854775808,18446744073709551615]");
}

TEST(CanonicalJson, WritesAnIntegerAndTheSameFloatAlike) {
  EXPECT_EQ(canonical("[10, 10.0, 1e1]"), "[10,10,10]");
}

TEST(ParseJson, SaysWhereTheMistakeIs) {
  EXPECT_NE(error_of("{\n  \"a\": 1,\n  \"b\": x\n}").find("line 3, column 8"), std::string::npos)
      << error_of("{\n  \"a\": 1,\n  \"b\": x\n}");
}

TEST(ParseJson, RefusesWhatIsNotJson) {
  for (const char* text : {"",    " ",        "{",        "[1,]",          "{\"a\":1,}",  "nul",
                           "01",  "1.",       "+1",       "NaN",           "Infinity",    "1e999",
                           "'a'", "\"\x01\"", "\"\xff\"", "\"\xc0\xaf\"",  "\"\\ud800\"", "// c\n1",
                           "1 2", "\"\\x\"",  "[1][",     "\xef\xbb\xbf{}"}) {
    const Result<json::value> value = parse_json(text);
    ASSERT_FALSE(value.has_value()) << text;
    EXPECT_EQ(value.error().code, Code::kInvalidArgument) << text;
  }
}

TEST(ParseJson, RefusesAKeyThatStandsTwice) {
  EXPECT_NE(error_of(R"({"a": 1, "b": {"a": 2}, "a": 3})").find("\"a\" stands twice"),
            std::string::npos);
  EXPECT_NE(error_of(R"([{"x": [{"k": 1, "\u006b": 2}]}])").find("\"k\" stands twice"),
            std::string::npos);
  EXPECT_NE(error_of(R"({"": 1, "": 2})").find("stands twice"), std::string::npos);
  EXPECT_EQ(error_of(R"({"a": {"a": {"a": 1}}, "b": [{"a": 1}, {"a": 2}]})"), "accepted");
}

TEST(ParseJson, RefusesNestingDeeperThanItsLimit) {
  const std::string deep = std::string(100'000, '[') + std::string(100'000, ']');
  EXPECT_NE(error_of(deep).find("deeper than 64 levels"), std::string::npos);
  EXPECT_EQ(error_of("[[[1]]]", {.depth = 3}), "accepted");
  EXPECT_NE(error_of("[[[[1]]]]", {.depth = 3}).find("deeper than 3"), std::string::npos);
}

TEST(ParseJson, RefusesTextAfterTheValueAndSaysWhere) {
  EXPECT_NE(error_of("{}\n {}").find("line 2, column 2"), std::string::npos) << error_of("{}\n {}");
}

TEST(JsonMembers, AreNullOrEmptyWhereThereIsNothingOfTheKind) {
  const json::value document = *parse_json(R"({"a": {"b": "text", "c": [1]}, "n": 1})");
  EXPECT_EQ(text_of(member(member(document, "a"), "b")), "text");
  EXPECT_EQ(array_of(member(member(document, "a"), "c"))->size(), 1U);
  EXPECT_EQ(object_of(member(document, "a"))->size(), 2U);
  EXPECT_EQ(member(document.as_object(), "none"), nullptr);
  EXPECT_EQ(member(member(document, "n"), "x"), nullptr);
  EXPECT_EQ(text_of(member(document, "n")), "");
  EXPECT_EQ(text_of(nullptr), "");
  EXPECT_EQ(array_of(member(document, "a")), nullptr);
  EXPECT_EQ(object_of(nullptr), nullptr);
}

}  // namespace
}  // namespace serin
