// SPDX-License-Identifier: Apache-2.0
// Any bytes: the pickle scanner and the source scanner end, and say something or nothing.
#include <cstddef>
#include <cstdint>

#include "backends/torch/pickle_scan.h"
#include "backends/torch/source_scan.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  static_cast<void>(serin::backends::pickle_globals(bytes));
  static_cast<void>(serin::backends::forbidden_in_source(bytes));
  return 0;
}
