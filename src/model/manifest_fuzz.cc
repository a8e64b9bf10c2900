// SPDX-License-Identifier: Apache-2.0
// No text may crash the reader of model.yaml, and what it accepts it must write and read again.
#include <cstdlib>

#include "model/manifest.h"
#include "model/manifest_writer.h"
#include "model/package.h"

extern "C" int LLVMFuzzerTestOneInput(const unsigned char* data, std::size_t size) {
  using namespace serin::model;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  (void)manifest_digest(text);
  (void)replace_files(text, {{"model.pt", 1, std::string(64, 'a')}});
  const auto manifest = parse_draft(text);
  if (!manifest) return 0;
  if (!parse_draft(write_manifest(*manifest))) std::abort();
  return 0;
}
