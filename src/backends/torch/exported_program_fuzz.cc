// SPDX-License-Identifier: Apache-2.0
// Any bytes as a .pt2 file: refused, or described and its weights read. And any text as a size.
#include <sys/mman.h>
#include <unistd.h>

#include <string>

#include "backends/torch/exported_program.h"
#include "backends/torch/program_names.h"
#include "base/check.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace serin::backends;
  static_cast<void>(is_plain_expression({reinterpret_cast<const char*>(data), size}));
  static_cast<void>(is_allowed_target({reinterpret_cast<const char*>(data), size}));
  const int file = ::memfd_create("archive", MFD_CLOEXEC);
  SERIN_CHECK(file >= 0 && ::write(file, data, size) == static_cast<ssize_t>(size));
  const auto archive = Archive::open("/proc/self/fd/" + std::to_string(file));
  if (archive) {
    const auto programs = read_programs(*archive);
    if (programs) {
      for (const auto& program : *programs) {
        static_cast<void>(check_weights(*archive, program));
        static_cast<void>(signature_of(program));
      }
    }
  }
  ::close(file);
  return 0;
}
