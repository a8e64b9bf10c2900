// SPDX-License-Identifier: Apache-2.0
#include "base/shown.h"

#include <array>
#include <charconv>

#include "base/json.h"
#include "base/utf8.h"

namespace serin {

std::string shown(std::string_view text) {
  constexpr std::size_t kMost = 60;
  if (text.size() <= kMost) return json::serialize(json::value(text));
  return json::serialize(json::value(std::string(utf8_head(text, kMost)) + "…"));
}

std::string shown(double number) {
  std::array<char, 32> text{};
  return {text.data(), std::to_chars(text.data(), text.data() + text.size(), number).ptr};
}

}  // namespace serin
