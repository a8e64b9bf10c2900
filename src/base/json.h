// SPDX-License-Identifier: Apache-2.0
// JSON as it comes from outside (bounded depth, errors with line and column) and the canonical form
// that digests are made of.
#pragma once

#include <boost/json.hpp>
#include <string>
#include <string_view>

#include "base/error.h"

namespace serin {

namespace json = boost::json;

struct JsonLimits {
  std::size_t depth = 64;
};

// Strict RFC 8259, UTF-8 checked, duplicate keys refused, no trailing bytes. kInvalidArgument with
// line and column.
Result<json::value> parse_json(std::string_view text, const JsonLimits& limits = {});

// RFC 8785 (JSON Canonicalization Scheme): keys sorted by UTF-16 code units, shortest numbers, no
// white space. Numbers that are not finite cannot occur in a json::value made by parse_json.
std::string canonical_json(const json::value& value);

}  // namespace serin
