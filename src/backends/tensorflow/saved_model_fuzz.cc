// SPDX-License-Identifier: Apache-2.0
// Any bytes as saved_model.pb: refused, or its graph can be checked.
#include "backends/tensorflow/saved_model.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto model =
      serin::backends::parse_saved_model({reinterpret_cast<const char*>(data), size});
  if (model) static_cast<void>(serin::backends::check_graph(*model));
  return 0;
}
