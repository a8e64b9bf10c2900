// SPDX-License-Identifier: Apache-2.0
// Any bytes: what parse_npy accepts can be written and read again.
#include "base/check.h"
#include "base/tensor.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto tensor = serin::parse_npy({reinterpret_cast<const char*>(data), size});
  if (!tensor) return 0;
  const auto bytes = serin::to_npy(*tensor);
  SERIN_CHECK(bytes.has_value());
  SERIN_CHECK(serin::parse_npy(*bytes).has_value());
  return 0;
}
