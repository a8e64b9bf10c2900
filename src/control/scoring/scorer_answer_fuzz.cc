// SPDX-License-Identifier: Apache-2.0
// What scorers say: a score is a number from 0 to 1, whatever they write.
#include <cstdint>

#include "base/check.h"
#include "control/scoring/scorer.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto score = serin::control::read_score({reinterpret_cast<const char*>(data), size});
  SERIN_CHECK(!score || (*score >= 0 && *score <= 1));
  return 0;
}
