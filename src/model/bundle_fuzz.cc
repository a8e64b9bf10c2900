// SPDX-License-Identifier: Apache-2.0
// No model.sig may crash its reader.
#include "model/sign.h"

extern "C" int LLVMFuzzerTestOneInput(const unsigned char* data, std::size_t size) {
  (void)serin::model::parse_bundle({reinterpret_cast<const char*>(data), size});
  return 0;
}
