// SPDX-License-Identifier: Apache-2.0
// Any bytes: parse_yaml refuses them or gives a tree; neither takes long nor grows. A tree that is
// JSON is the same after it was written and read.
#include "base/check.h"
#include "base/json.h"
#include "base/utf8.h"
#include "base/yaml.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto tree =
      serin::parse_yaml({reinterpret_cast<const char*>(data), size}, {.bytes = 1 << 16});
  if (!tree) return 0;
  const auto value = tree->to_json();
  if (!value) return 0;
  const std::string text = serin::canonical_json(*value);
  if (!serin::is_utf8(text)) return 0;  // which JSON cannot have
  const auto again = serin::parse_yaml(serin::write_yaml(*value), {.bytes = 1 << 26});
  SERIN_CHECK(again && again->to_json());
  SERIN_CHECK(serin::canonical_json(*again->to_json()) == text);
  return 0;
}
