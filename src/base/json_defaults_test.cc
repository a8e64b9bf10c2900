// SPDX-License-Identifier: Apache-2.0
#include "base/json_defaults.h"

#include <gtest/gtest.h>

namespace serin {
namespace {

std::string filled(std::string_view document, std::string_view schema) {
  return canonical_json(with_defaults(*parse_json(document), *parse_json(schema)));
}

TEST(WithDefaults, FillsInWhatIsLeftOutAndNothingElse) {
  const char* schema = R"({"properties": {"a": {"default": 1}, "b": {"default": 2}, "c": {}}})";
  EXPECT_EQ(filled("{}", schema), R"({"a":1,"b":2})");
  EXPECT_EQ(filled(R"({"a": 7, "c": null, "d": 3})", schema), R"({"a":7,"b":2,"c":null,"d":3})");
  EXPECT_EQ(filled("3", schema), "3");
}

TEST(WithDefaults, FillsInObjectsItemsAndTheDefaultsThemselves) {
  const char* schema = R"({"properties": {
    "list": {"default": [{}], "items": {"properties": {"a": {"default": 1}}}},
    "in": {"default": {}, "properties": {"deep": {"default": {}, "properties": {
                                            "a": {"default": 2}}}}},
    "out": {"properties": {"a": {"default": 3}}}}})";
  EXPECT_EQ(filled("{}", schema), R"({"in":{"deep":{"a":2}},"list":[{"a":1}]})");
  EXPECT_EQ(filled(R"({"list": [{"a": 0}, {}], "out": {}})", schema),
            R"({"in":{"deep":{"a":2}},"list":[{"a":0},{"a":1}],"out":{"a":3}})");
}

}  // namespace
}  // namespace serin
