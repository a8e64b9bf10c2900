// SPDX-License-Identifier: Apache-2.0
// No model.sig, no attestation and no signed statement of an image may crash its reader.
#include "model/attestation.h"
#include "model/image/cosign.h"
#include "model/sign.h"

extern "C" int LLVMFuzzerTestOneInput(const unsigned char* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  (void)serin::model::parse_signature(text);
  (void)serin::model::parse_attestation(text);
  (void)serin::model::check_statement(text, "sha256:00");
  return 0;
}
