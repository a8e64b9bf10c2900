// SPDX-License-Identifier: Apache-2.0
// Whatever somebody calls a tar archive: what is found lies in it.
#include <cstddef>
#include <cstdint>

#include "objects/tar.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace serin::objects;
  const Body archive = Body::bytes(std::string(reinterpret_cast<const char*>(data), size));
  const auto files = tar_files(archive);
  if (!files) return 0;
  for (const TarFile& file : *files) {
    if (file.offset > size || file.size > size - file.offset) __builtin_trap();
  }
  return 0;
}
