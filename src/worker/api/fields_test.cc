// SPDX-License-Identifier: Apache-2.0
#include "worker/api/fields.h"

#include <gtest/gtest.h>

namespace serin::worker::api {
namespace {

const json::object kBody =
    json::parse(R"({"s":"x","b":true,"i":5,"f":5.0,"h":5.5,"o":{"a":1},"n":null,"l":[1]})")
        .as_object();

TEST(Fields, ReadsEachKind) {
  Fields fields(kBody);
  EXPECT_EQ(fields.string("s").value(), "x");
  EXPECT_EQ(fields.boolean("b").value(), true);
  EXPECT_EQ(fields.integer("i", 0, 5).value(), 5);
  EXPECT_EQ(fields.integer("f", 5, 9).value(), 5);
  EXPECT_EQ(fields.object("o").value()->at("a"), 1);
}

TEST(Fields, NullAndAbsentAreTheSame) {
  Fields fields(kBody);
  EXPECT_EQ(fields.string("n").value(), std::nullopt);
  EXPECT_EQ(fields.string("none").value(), std::nullopt);
  EXPECT_EQ(fields.any("n"), nullptr);
}

TEST(Fields, AWrongTypeOrRangeNamesTheField) {
  Fields fields(kBody);
  for (const Error& error : {fields.integer("h", 0, 9).error(), fields.integer("i", 6, 9).error(),
                             fields.integer("s", 0, 9).error(), fields.string("i").error(),
                             fields.boolean("s").error(), fields.object("l").error()}) {
    EXPECT_EQ(error.code, Code::kInvalidArgument);
    EXPECT_EQ(error.reason, "invalid_value");
    EXPECT_FALSE(error.param.empty());
  }
  EXPECT_EQ(fields.integer("i", 6, 9).error().message, "i must be an integer from 6 to 9");
}

TEST(Fields, WhatWasNeverReadIsUnknown) {
  Fields fields(kBody);
  fields.ignore({"s", "b", "i", "f", "h", "o", "n"});
  ASSERT_FALSE(fields.no_others());
  EXPECT_EQ(fields.no_others().error().param, "l");
  EXPECT_EQ(fields.no_others().error().reason, "unknown_parameter");
  EXPECT_EQ(fields.no_others().error().message, "unknown field: l");  // far from all of them
  json::object rest;
  fields.pass_rest(rest);
  EXPECT_EQ(json::value(rest), json::parse(R"({"l":[1]})"));
  EXPECT_TRUE(fields.no_others());
}

TEST(Fields, AnUnknownNameIsToldTheOneThatWasMeant) {
  const json::object body{{"max_token", 1}};
  Fields fields(body);
  fields.ignore({"prompt", "max_tokens"});
  EXPECT_EQ(fields.no_others().error().message,
            "unknown field: max_token; did you mean max_tokens?");
}

TEST(Fields, PassesWhatIsThere) {
  Fields fields(kBody);
  json::object into;
  fields.pass({"s", "n", "none"}, into);
  EXPECT_EQ(json::value(into), json::parse(R"({"s":"x"})"));
}

}  // namespace
}  // namespace serin::worker::api
