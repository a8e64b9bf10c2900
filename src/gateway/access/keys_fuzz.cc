// SPDX-License-Identifier: Apache-2.0
// The file of API keys: whatever is read of it knows no key that is not in it.
#include "base/check.h"
#include "gateway/access/keys.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace serin::gateway;
  const auto ring = KeyRing::parse({reinterpret_cast<const char*>(data), size}, "the file");
  if (ring) SERIN_CHECK(ring->find("a key that nobody has") == nullptr);
  return 0;
}
