// SPDX-License-Identifier: Apache-2.0
// No model.sig and no attestation may crash its reader.
#include "model/attestation.h"
#include "model/sign.h"

extern "C" int LLVMFuzzerTestOneInput(const unsigned char* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  (void)serin::model::parse_signature(text);
  (void)serin::model::parse_attestation(text);
  return 0;
}
