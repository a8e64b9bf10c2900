// SPDX-License-Identifier: Apache-2.0
// No text may crash the reader of a service's manifest, and what it accepts it must read again from
// what is stored of it.
#include <cstdlib>

#include "control/schema/manifest.h"

extern "C" int LLVMFuzzerTestOneInput(const unsigned char* data, std::size_t size) {
  using namespace serin;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const auto manifest = control::read_manifest(text, "m.yaml");
  if (!manifest) return 0;
  if (!control::read_manifest(canonical_json(manifest->written), "stored")) std::abort();
  return 0;
}
