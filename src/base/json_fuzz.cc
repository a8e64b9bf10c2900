// SPDX-License-Identifier: Apache-2.0
// Any bytes: parse_json either refuses them or gives a value whose canonical form is a fixed point.
#include "base/check.h"
#include "base/json.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto value = serin::parse_json({reinterpret_cast<const char*>(data), size});
  if (!value) return 0;
  const std::string canonical = serin::canonical_json(*value);
  const auto again = serin::parse_json(canonical);
  SERIN_CHECK(again.has_value());
  SERIN_CHECK(serin::canonical_json(*again) == canonical);
  return 0;
}
