// SPDX-License-Identifier: Apache-2.0
// Everything that the local platform reads of other processes: whatever they say, it reads on.
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "platform/gateway_lines.h"
#include "platform/local/cgroups.h"
#include "platform/local/memory.h"
#include "platform/local/process.h"
#include "platform/local/records.h"
#include "platform/worker_health.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  namespace local = serin::platform::local;
  if (size == 0) return 0;
  const std::string_view text(reinterpret_cast<const char*>(data + 1), size - 1);
  const std::size_t half = text.size() / 2;
  switch (data[0] % 7) {
    case 0:
      serin::platform::read_health(503, text);
      break;
    case 1:
      if (const auto read = serin::platform::read_evidence(text)) {
        for (const auto& one : *read)
          if (one.version.empty()) __builtin_trap();
      }
      break;
    case 2:
      local::parse_stat(text);
      break;
    case 3:
      local::held_bytes(text);
      break;
    case 4:
      local::own_group(text.substr(0, half), text.substr(half), "memory");
      break;
    case 6:
      serin::platform::read_samples(text);
      break;
    default:
      if (const auto read = local::read_traffic(text)) {
        if (!local::read_traffic(local::write_traffic(*read))) __builtin_trap();
      }
  }
  return 0;
}
