// SPDX-License-Identifier: Apache-2.0
// What scorers say, and what one is asked: a score is a number from 0 to 1, whatever they write.
#include <cstdint>

#include "base/check.h"
#include "control/scoring/scorer.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  for (const auto& score :
       {serin::control::read_score(text), serin::control::read_prediction(text)})
    SERIN_CHECK(!score || (*score >= 0 && *score <= 1));
  static_cast<void>(serin::control::question_of(text));
  return 0;
}
