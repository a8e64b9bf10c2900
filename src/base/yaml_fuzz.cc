// SPDX-License-Identifier: Apache-2.0
// Any bytes: parse_yaml refuses them or gives a tree; neither takes long nor grows.
#include "base/yaml.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto tree =
      serin::parse_yaml({reinterpret_cast<const char*>(data), size}, {.bytes = 1 << 16});
  if (tree) static_cast<void>(tree->to_json());
  return 0;
}
