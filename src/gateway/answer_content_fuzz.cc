// SPDX-License-Identifier: Apache-2.0
// Answers of any kind, in any pieces: what is read of them is bounded, is the same however they
// were cut, and agrees with itself. The first byte is the kind, the second how they are cut.
#include <array>
#include <cstdint>

#include "base/check.h"
#include "gateway/answer_content.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace serin;
  constexpr std::array<std::string_view, 4> kTypes = {"application/json", "text/event-stream",
                                                      "text/plain", "image/png"};
  if (size < 2) return 0;
  const std::string_view body(reinterpret_cast<const char*>(data + 2), size - 2);
  const auto read = [&](std::size_t piece) {
    gateway::AnswerContent content;
    content.begin({{"content-type", kTypes[data[0] % kTypes.size()]}});
    for (std::size_t at = 0; at < body.size(); at += piece) content.add(body.substr(at, piece));
    content.end();
    return content;
  };
  const auto result = compare(read(body.size() + 1), read(std::size_t{data[1]} + 1));
  if (const auto* both = std::get_if<rollout::Comparison>(&result))
    SERIN_CHECK(both->identical && both->agreement == 1 &&
                both->stable_bytes == both->candidate_bytes);
  return 0;
}
