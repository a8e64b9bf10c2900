// SPDX-License-Identifier: Apache-2.0
// Any bytes: lint() refuses them or has findings.
#include "control/lint/lint.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size > 1 << 14) return 0;
  static_cast<void>(serin::control::lint({reinterpret_cast<const char*>(data), size},
                                         {.requests_per_second = 10}));
  return 0;
}
