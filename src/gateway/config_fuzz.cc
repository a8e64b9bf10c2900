// SPDX-License-Identifier: Apache-2.0
// A gateway's configuration: one that is read is written and read again the same.
#include <cstdint>

#include "base/check.h"
#include "gateway/config.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace serin;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const auto config = gateway::read_config(text, "fuzz");
  if (!config) return 0;
  const auto again = gateway::read_config(gateway::write_config(*config), "again");
  SERIN_CHECK(again && *again == *config);
  return 0;
}
