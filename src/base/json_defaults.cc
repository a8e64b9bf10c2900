// SPDX-License-Identifier: Apache-2.0
#include "base/json_defaults.h"

namespace serin {
namespace {

void fill(json::value& document, const json::object& schema) {
  if (auto* object = document.if_object()) {
    const json::value* properties = schema.if_contains("properties");
    if (properties == nullptr) return;
    for (const auto& [name, field] : properties->as_object()) {
      const json::value* otherwise = field.as_object().if_contains("default");
      if (otherwise != nullptr && !object->contains(name)) object->emplace(name, *otherwise);
      if (json::value* own = object->if_contains(name)) fill(*own, field.as_object());
    }
  } else if (auto* array = document.if_array()) {
    const json::value* items = schema.if_contains("items");
    if (items == nullptr) return;
    for (json::value& item : *array) fill(item, items->as_object());
  }
}

}  // namespace

json::value with_defaults(const json::value& document, const json::value& schema) {
  json::value filled = document;
  fill(filled, schema.as_object());
  return filled;
}

}  // namespace serin
