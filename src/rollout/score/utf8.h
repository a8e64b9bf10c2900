// SPDX-License-Identifier: Apache-2.0
// Characters of a text that may not be UTF-8 throughout. Pure.
#pragma once

#include <cstddef>
#include <string_view>

namespace serin::rollout {

// The character at the front, taken off `text`; U+FFFD for a byte that begins none.
inline char32_t take_character(std::string_view& text) {
  const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(text[i]); };
  const unsigned char first = byte(0);
  const std::size_t size = first < 0x80             ? 1
                           : (first & 0xE0) == 0xC0 ? 2
                           : (first & 0xF0) == 0xE0 ? 3
                           : (first & 0xF8) == 0xF0 ? 4
                                                    : 0;
  char32_t value = size == 1 ? first : first & (0x7F >> size);
  bool good = size > 0 && size <= text.size();
  for (std::size_t i = 1; good && i < size; ++i) {
    good = (byte(i) & 0xC0) == 0x80;
    value = (value << 6) | (byte(i) & 0x3F);
  }
  text.remove_prefix(good ? size : 1);
  return good ? value : 0xFFFD;
}

}  // namespace serin::rollout
