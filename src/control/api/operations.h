// SPDX-License-Identifier: Apache-2.0
// Every operation of the control API, once: the server answers these and no others, and GET
// /openapi.json is made from them.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>

#include "base/json.h"

namespace serin::control::api {

// One of the query. A number is whole and bounded.
struct Parameter {
  enum class Kind : std::uint8_t { kText, kFlag, kNumber };
  std::string_view name, what;
  Kind kind = Kind::kText;
  std::int64_t otherwise = 0;  // of a number that is not given
  std::int64_t most = 0;
};

struct Operation {
  std::string_view id, method, path, summary;
  std::span<const Parameter> query = {};
  bool takes_manifest = false;
  std::string_view answer = {};  // a schema of docs/schema/control-api.json; empty: text
};

std::span<const Operation> operations();

// The description of all of it, in OpenAPI 3.1 (https://spec.openapis.org/oas/v3.1.0).
json::object openapi(std::string_view version);

}  // namespace serin::control::api
