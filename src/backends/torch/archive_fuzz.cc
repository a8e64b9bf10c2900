// SPDX-License-Identifier: Apache-2.0
// Any bytes as a .pt file: refused, or every entry can be read.
#include <sys/mman.h>
#include <unistd.h>

#include <string>

#include "backends/torch/archive.h"
#include "base/check.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const int file = ::memfd_create("archive", MFD_CLOEXEC);
  SERIN_CHECK(file >= 0 && ::write(file, data, size) == static_cast<ssize_t>(size));
  const auto archive = serin::backends::Archive::open("/proc/self/fd/" + std::to_string(file));
  if (archive) {
    static_cast<void>(serin::backends::form_of(*archive));
    for (const auto& entry : archive->entries()) static_cast<void>(archive->read(entry));
  }
  ::close(file);
  return 0;
}
