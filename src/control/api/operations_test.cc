// SPDX-License-Identifier: Apache-2.0
// What the description says of answers, beside the answers of a live control plane.
#include "control/api/operations.h"

#include <gmock/gmock.h>

#include <set>

#include "control/api/views.h"
#include "control/world_for_test.h"

namespace serin::control::api {
namespace {

using std::chrono::seconds;

const json::object& document() {
  static const json::object kDocument = openapi("1.2.3");
  return kDocument;
}

const json::object& schema_named(std::string_view name) {
  return document().at("components").at("schemas").at(name).as_object();
}

// Every place of an answer that the schema does not describe, or that lacks what it requires.
void undescribed(const json::value& value, const json::object& schema, const std::string& path,
                 std::vector<std::string>& found) {
  if (const auto* reference = schema.if_contains("$ref")) {
    const std::string_view name = reference->as_string();
    return undescribed(value, schema_named(name.substr(name.rfind('/') + 1)), path, found);
  }
  if (const auto* array = value.if_array()) {
    const auto* items = schema.if_contains("items");
    if (items == nullptr) return found.push_back(path + " is no array");
    for (const json::value& item : *array)
      undescribed(item, items->as_object(), path + "[]", found);
    return;
  }
  const auto* object = value.if_object();
  if (object == nullptr) return;
  const auto* properties = schema.if_contains("properties");
  if (properties == nullptr) return;  // free in form
  for (const auto& field : *object) {
    const std::string below = path + "." + std::string(field.key());
    const auto* inner = properties->as_object().if_contains(field.key());
    if (inner == nullptr) {
      found.push_back(below + " is not described");
    } else {
      undescribed(field.value(), inner->as_object(), below, found);
    }
  }
  if (const auto* required = schema.if_contains("required")) {
    for (const json::value& name : required->as_array()) {
      if (!object->contains(name.as_string()))
        found.push_back(path + "." + std::string(name.as_string()) + " is missing");
    }
  }
}

std::vector<std::string> undescribed(const json::value& value, std::string_view schema) {
  std::vector<std::string> found;
  undescribed(value, schema_named(schema), std::string(schema), found);
  return found;
}

void collect_references(const json::value& value, std::set<std::string>& found) {
  if (const auto* object = value.if_object()) {
    for (const auto& field : *object) {
      if (field.key() == "$ref") found.emplace(field.value().as_string());
      collect_references(field.value(), found);
    }
  } else if (const auto* array = value.if_array()) {
    for (const json::value& item : *array) collect_references(item, found);
  }
}

TEST(ControlApiDescription, NamesEveryOperationOnceAndNoSchemaThatIsNotThere) {
  EXPECT_EQ(document().at("openapi").as_string(), "3.1.0");
  std::set<std::string> ids;
  for (const Operation& operation : operations()) {
    EXPECT_TRUE(ids.emplace(operation.id).second) << operation.id;
    EXPECT_TRUE(document().at("paths").as_object().contains(operation.path)) << operation.path;
  }
  std::set<std::string> references;
  collect_references(document(), references);
  for (const std::string& reference : references)
    EXPECT_TRUE(document()
                    .at("components")
                    .at("schemas")
                    .as_object()
                    .contains(reference.substr(reference.rfind('/') + 1)))
        << reference;
}

TEST(ControlApiDescription, DescribesAllThatIsAnswered) {
  ControlWorld world;
  const auto applied = world.apply(manifest_text("story:v1"));
  ASSERT_TRUE(applied.has_value());
  EXPECT_THAT(undescribed(to_json(*applied), "Applied"), testing::IsEmpty());
  world.run(seconds(4), {});
  world.applied(manifest_text("story:v2"));
  world.run(seconds(20), {});
  const ServiceView view = world.view();
  ASSERT_TRUE(view.record.rolling());
  EXPECT_THAT(undescribed(to_json(view), "Service"), testing::IsEmpty());
  EXPECT_THAT(undescribed(to_json(*view.record.rollout), "PastRollout"), testing::IsEmpty());
  EXPECT_GT(rollout_json(view).at("metrics").as_array().size(), 0U);
  const auto events = world.store->events({.service = {}, .after = 0, .most = 10});
  for (const Event& event : *events)
    EXPECT_THAT(undescribed(to_json(event), "Event"), testing::IsEmpty());
  // The check sees what it is to see.
  json::object other = to_json(*applied);
  other["more"] = 1;
  other.erase("name");
  EXPECT_THAT(undescribed(other, "Applied"),
              testing::ElementsAre("Applied.more is not described", "Applied.name is missing"));
}

}  // namespace
}  // namespace serin::control::api
