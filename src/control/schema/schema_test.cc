// SPDX-License-Identifier: Apache-2.0
#include "control/schema/schema.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>

#include "control/schema/generative_service_json.h"
#include "control/schema/manifest.h"

namespace serin::control {
namespace {

TEST(Duration, IsASumOfNumbersWithUnits) {
  EXPECT_DOUBLE_EQ(*parse_duration("250ms"), 0.25);
  EXPECT_DOUBLE_EQ(*parse_duration("60s"), 60);
  EXPECT_DOUBLE_EQ(*parse_duration("1h30m"), 5400);
  EXPECT_DOUBLE_EQ(*parse_duration("1.5h"), 5400);
  EXPECT_DOUBLE_EQ(*parse_duration("7d"), 7 * 86'400.0);
  for (const char* wrong :
       {"", "60", "s", "-1s", "1 h", "1w", "1h 30m", "1e3s", "infs", "20000d", "1.2.3s", "0x10s"})
    EXPECT_FALSE(parse_duration(wrong)) << wrong;
}

TEST(Share, IsANumberOrAPercentage) {
  EXPECT_DOUBLE_EQ(*parse_share(0.002), 0.002);
  EXPECT_DOUBLE_EQ(*parse_share("20%"), 0.2);
  EXPECT_DOUBLE_EQ(*parse_share("0.2%"), 0.002);
  EXPECT_DOUBLE_EQ(*parse_share(1), 1);
  for (const json::value& wrong :
       {json::value(1.5), json::value(-0.1), json::value("20"), json::value("%"),
        json::value("101%"), json::value("-1%"), json::value("a%"), json::value(true)})
    EXPECT_FALSE(parse_share(wrong)) << json::serialize(wrong);
}

TEST(Schema, RefusesKeywordsThatItWouldNotCheck) {
  const auto schema =
      Schema::create({{"type", "object"}, {"properties", {{"a", {{"oneOf", json::array()}}}}}});
  ASSERT_FALSE(schema);
  EXPECT_THAT(schema.error().message, testing::HasSubstr("schema.a: oneOf is not supported"));
}

TEST(Schema, ExplainsFieldsByTheirPath) {
  const auto text = manifest_schema().explain("spec.rollout.analysis.metrics.margin");
  ASSERT_TRUE(text) << text.error().message;
  EXPECT_THAT(*text, testing::HasSubstr("number or string (share)"));
  EXPECT_THAT(*manifest_schema().explain("spec.rollout"),
              testing::HasSubstr("initialWeight  <integer, at least 1, at most 99, default 10>"));
  EXPECT_THAT(*manifest_schema().explain(""), testing::StartsWith("GenerativeService  <object>"));
  const auto wrong = manifest_schema().explain("spec.rolout");
  ASSERT_FALSE(wrong);
  EXPECT_EQ(wrong.error().message, "spec has no field rolout; did you mean rollout?");
}

TEST(Schema, EveryFieldOfTheManifestIsDescribed) {
  std::vector<std::string> bare;
  const std::function<void(const json::value&, const std::string&)> walk =
      [&](const json::value& schema, const std::string& path) {
        if (!schema.as_object().contains("description")) bare.push_back(path);
        if (const auto* properties = schema.as_object().if_contains("properties")) {
          for (const auto& property : properties->as_object())
            walk(property.value(), path + "." + std::string(property.key()));
        }
        if (const auto* items = schema.as_object().if_contains("items");
            items != nullptr && items->as_object().contains("properties")) {
          for (const auto& property : items->at("properties").as_object())
            walk(property.value(), path + "[]." + std::string(property.key()));
        }
      };
  walk(*parse_json(kGenerativeServiceJson), "");
  EXPECT_THAT(bare, testing::IsEmpty());
}

}  // namespace
}  // namespace serin::control
