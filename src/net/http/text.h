// SPDX-License-Identifier: Apache-2.0
// The character classes of HTTP (RFC 9110, section 5.6.2) as tables: pure functions for any thread.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>

namespace serin::net::text {

constexpr bool is_token_byte(unsigned char c) {
  if ((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9')) return true;
  return std::string_view("!#$%&'*+-.^_`|~").find(static_cast<char>(c)) != std::string_view::npos;
}

// What a token byte is in lower case; 0 for a byte that a token may not hold.
inline constexpr auto kTokenLower = [] {
  std::array<char, 256> table{};
  for (unsigned c = 0; c < 256; ++c) {
    if (!is_token_byte(static_cast<unsigned char>(c))) continue;
    const bool upper = c >= 'A' && c <= 'Z';
    table[c] = static_cast<char>(upper ? c + ('a' - 'A') : c);
  }
  return table;
}();

// A field value may hold visible ASCII, space, tab and bytes from 0x80 up.
inline constexpr auto kFieldByte = [] {
  std::array<bool, 256> table{};
  for (unsigned c = 0; c < 256; ++c) table[c] = c == '\t' || (c >= ' ' && c != 0x7f);
  return table;
}();

inline bool is_token(std::string_view bytes) {
  if (bytes.empty()) return false;
  for (const unsigned char c : bytes)
    if (kTokenLower[c] == 0) return false;
  return true;
}

inline bool is_field_value(std::string_view bytes) {
  for (const unsigned char c : bytes)
    if (!kFieldByte[c]) return false;
  return true;
}

inline char lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + ('a' - 'A')) : c; }

inline bool equal_ignoring_case(std::string_view a, std::string_view b) {
  if (a.size() != b.size()) return false;
  for (std::size_t i = 0; i < a.size(); ++i)
    if (lower(a[i]) != lower(b[i])) return false;
  return true;
}

inline std::string_view trim(std::string_view bytes) {
  while (!bytes.empty() && (bytes.front() == ' ' || bytes.front() == '\t')) bytes.remove_prefix(1);
  while (!bytes.empty() && (bytes.back() == ' ' || bytes.back() == '\t')) bytes.remove_suffix(1);
  return bytes;
}

// -1 for a byte that is no hexadecimal digit.
inline int hex_digit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

// Calls `each` with every element of a comma-separated list, trimmed, the empty ones left out.
template <class Each>
void for_each_element(std::string_view list, Each each) {
  while (!list.empty()) {
    const std::size_t comma = list.find(',');
    const std::string_view element = trim(list.substr(0, comma));
    if (!element.empty()) each(element);
    if (comma == std::string_view::npos) return;
    list.remove_prefix(comma + 1);
  }
}

}  // namespace serin::net::text
