// SPDX-License-Identifier: Apache-2.0
// Pieces of which descriptions of APIs are made (OpenAPI 3.1).
#pragma once

#include <string>
#include <string_view>
#include <utility>

#include "base/json.h"

namespace serin::net::openapi {

// A schema that stands under components.
inline json::object reference(std::string_view name) {
  return {{"$ref", "#/components/schemas/" + std::string(name)}};
}

// `content` of a request or an answer.
inline json::object media(std::string_view type, json::object schema) {
  json::object content;
  content[type] = json::object{{"schema", std::move(schema)}};
  return content;
}

}  // namespace serin::net::openapi
