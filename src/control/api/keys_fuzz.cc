// SPDX-License-Identifier: Apache-2.0
// No text may crash the reader of control keys or that of secrets for notifications, and every key
// that is read can be for something.
#include <cstdlib>

#include "control/api/keys.h"
#include "control/notify/message.h"

extern "C" int LLVMFuzzerTestOneInput(const unsigned char* data, std::size_t size) {
  using namespace serin::control;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  if (const auto secrets = notify::parse_secrets(text, "secrets");
      secrets && (secrets->empty() || secrets->front().size() < 24))
    std::abort();
  const auto ring = api::KeyRing::parse(text, "keys.yaml");
  if (ring && ring->find("one") != nullptr && !ring->find("one")->read && !ring->find("one")->write)
    std::abort();
  return 0;
}
