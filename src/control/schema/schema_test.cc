// SPDX-License-Identifier: Apache-2.0
#include "control/schema/schema.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>

#include "control/schema/generative_service_json.h"
#include "control/schema/manifest.h"

namespace serin::control {
namespace {

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
