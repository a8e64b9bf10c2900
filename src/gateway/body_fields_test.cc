// SPDX-License-Identifier: Apache-2.0
#include "gateway/body_fields.h"

#include <gtest/gtest.h>

#include "base/json.h"

namespace serin::gateway {
namespace {

BodyFields scanned(std::string_view body) {
  const auto fields = scan_body(body);
  EXPECT_TRUE(fields) << body;
  return fields.value_or(BodyFields{});
}

TEST(BodyFields, FindsWhatItLooksForAmongTheRest) {
  const BodyFields fields = scanned(
      R"( {"a":[1,{"model":"inner"}], "model" : "prose:v2","user":"ada","n":-1.5e3,)"
      R"("stream": true ,"messages":[{"role":"user","content":"he said \"}\" \\"}],"z":null} )");
  EXPECT_EQ(fields.model, "prose:v2");
  EXPECT_EQ(fields.user, "ada");
  EXPECT_TRUE(fields.stream);
  EXPECT_FALSE(fields.seeded);
  EXPECT_EQ(fields.prompt, R"([{"role":"user","content":"he said \"}\" \\"}])");
}

TEST(BodyFields, PrefersTheSafetyIdentifierToTheUserInAnyOrder) {
  EXPECT_EQ(scanned(R"({"user":"a","safety_identifier":"b"})").user, "b");
  EXPECT_EQ(scanned(R"({"safety_identifier":"b","user":"a"})").user, "b");
}

TEST(BodyFields, ReadsEscapesInNames) {
  EXPECT_EQ(scanned(R"({"model":"\u0070rose"})").model, "prose");
  EXPECT_EQ(scanned(R"({"model":"\ud800"})").model, "");
  EXPECT_EQ(scanned(R"({"model":7})").model, "");
}

TEST(BodyFields, RefusesWhatIsNoObject) {
  for (const char* body : {"", "[]", "7", "\"{}\"", "{", "{\"a\"", "{\"a\":", "{\"a\":\"",
                           "{\"a\":1", "{\"a\":1,}", "{a:1}", "{\"a\":[1}", "{\"a\":\"\\\"}"})
    EXPECT_FALSE(scan_body(body)) << body;
}

TEST(BodyFields, DoesNotMindWhatFollowsTheObject) {
  EXPECT_EQ(scanned(std::string("{\"model\":\"a\"}\0\xff binary", 22)).model, "a");
}

std::string seeded(std::string_view body) { return with_seed(body, scanned(body), 42); }

TEST(Seed, IsPutIntoABodyThatHasNone) {
  EXPECT_EQ(seeded("{}"), R"({"seed":42})");
  EXPECT_EQ(seeded(" { } "), R"( { "seed":42} )");
  EXPECT_EQ(seeded(R"({"a":"b"})"), R"({"seed":42,"a":"b"})");
  EXPECT_EQ(seeded(R"({"seed":null,"a":1})"), R"({"seed":42,"a":1})");
  EXPECT_EQ(seeded(R"({"a":1, "seed" : null })"), R"({"a":1, "seed":42 })");
}

TEST(Seed, IsSeenWhereTheClientGaveOne) {
  EXPECT_TRUE(scanned(R"({"seed":0})").seeded);
  EXPECT_TRUE(scanned(R"({"seed":"wrong"})").seeded);
  EXPECT_FALSE(scanned(R"({"seed":null})").seeded);
  EXPECT_FALSE(scanned(R"({"options":{"seed":1}})").seeded);
}

TEST(Seed, LeavesValidJsonBehindALongPrompt) {
  json::object body{{"prompt", std::string(300'000, '"')}, {"model", "m"}};
  const std::string text = json::serialize(body);
  body["seed"] = 42;
  const auto parsed = parse_json(seeded(text));
  ASSERT_TRUE(parsed);
  EXPECT_EQ(*parsed, json::value(body));
}

}  // namespace
}  // namespace serin::gateway
