// SPDX-License-Identifier: Apache-2.0
// A key file: what is read of it is a list of hashes, which is read again the same.
#include "base/check.h"
#include "worker/keys.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace serin;
  const auto hashes =
      worker::parse_key_hashes({reinterpret_cast<const char*>(data), size}, "the file");
  if (!hashes) return 0;
  std::string written;
  for (const std::string& hash : *hashes) written += hash + "\n";
  SERIN_CHECK(worker::parse_key_hashes(written, "the file").value() == *hashes);
  return 0;
}
