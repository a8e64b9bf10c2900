// SPDX-License-Identifier: Apache-2.0
// Lists of names as sentences have them, and the patterns and lines that texts are looked at with.
// Pure functions.
#pragma once

#include <string>
#include <string_view>

namespace serin {

// "a, b and c", with `last` before the last one; of any list of texts.
template <class Names>
std::string listed(const Names& names, std::string_view last) {
  std::string text;
  std::size_t left = names.size();
  for (const std::string_view name : names) {
    if (!text.empty()) text += left == 1 ? " " + std::string(last) + " " : ", ";
    text += name;
    --left;
  }
  return text;
}

// "a, b or c".
template <class Names>
std::string either(const Names& names) {
  return listed(names, "or");
}

// "there are a, b and c", "there is a" or "there is none".
template <class Names>
std::string there_are(const Names& names) {
  if (names.size() == 0) return "there is none";
  return (names.size() == 1 ? "there is " : "there are ") + listed(names, "and");
}

// Whether the text is the pattern, or begins with what stands before the '*' at the pattern's end.
bool fits_pattern(std::string_view pattern, std::string_view text);

// The last line; line ends after it do not count.
std::string_view last_line(std::string_view text);

}  // namespace serin
