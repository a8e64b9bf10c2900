// SPDX-License-Identifier: Apache-2.0
// No archive may crash unpacking, or write outside its folder or past its limits.
#include <cstdlib>

#include "base/files.h"
#include "model/archive.h"

extern "C" int LLVMFuzzerTestOneInput(const unsigned char* data, std::size_t size) {
  using namespace serin;
  const auto directory = TemporaryDirectory::create("fuzz");
  const auto folder = directory->path() / "in";
  std::filesystem::create_directory(folder);
  const model::UnpackLimits limits{.bytes = 1 << 20, .entries = 20};
  (void)model::unpack_bytes({reinterpret_cast<const char*>(data), size}, folder, limits);
  for (const auto& entry : std::filesystem::directory_iterator(directory->path())) {
    if (entry.path() != folder) std::abort();
  }
  std::uintmax_t bytes = 0;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(folder)) {
    if (entry.is_symlink()) std::abort();
    if (entry.is_regular_file()) bytes += entry.file_size();
  }
  if (bytes > limits.bytes) std::abort();
  return 0;
}
