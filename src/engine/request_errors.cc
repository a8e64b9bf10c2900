// SPDX-License-Identifier: Apache-2.0
#include "engine/request_errors.h"

#include <charconv>

#include "base/json.h"

namespace serin::engine {

std::string shown(std::string_view text) {
  constexpr std::size_t kMost = 60;
  if (text.size() <= kMost) return json::serialize(json::value(text));
  std::size_t end = kMost;
  // Not within a character of several bytes.
  while (end > 0 && (static_cast<unsigned char>(text[end]) & 0xC0) == 0x80) --end;
  return json::serialize(json::value(std::string(text.substr(0, end)) + "…"));
}

std::string shown(double number) {
  char text[32];
  const auto end = std::to_chars(text, text + sizeof text, number).ptr;
  return {text, end};
}

}  // namespace serin::engine
