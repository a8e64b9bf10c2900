// SPDX-License-Identifier: Apache-2.0
// What is in JSON of which one may count on nothing: what is missing, or of another kind, is null
// or empty. Each takes the null that another gave. Pure functions.
#pragma once

#include <string_view>

#include "base/json.h"

namespace serin {

inline const json::value* member(const json::object& object, std::string_view name) {
  return object.if_contains(name);
}
inline const json::value* member(const json::value* value, std::string_view name) {
  const json::object* object = value == nullptr ? nullptr : value->if_object();
  return object == nullptr ? nullptr : object->if_contains(name);
}
inline const json::value* member(const json::value& value, std::string_view name) {
  return member(&value, name);
}

inline const json::object* object_of(const json::value* value) {
  return value == nullptr ? nullptr : value->if_object();
}
inline const json::array* array_of(const json::value* value) {
  return value == nullptr ? nullptr : value->if_array();
}
inline std::string_view text_of(const json::value* value) {
  const json::string* text = value == nullptr ? nullptr : value->if_string();
  return text == nullptr ? std::string_view() : std::string_view(*text);
}

}  // namespace serin
