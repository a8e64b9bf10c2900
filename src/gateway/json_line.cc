// SPDX-License-Identifier: Apache-2.0
#include "gateway/json_line.h"

#include <array>
#include <charconv>
#include <cmath>

namespace serin::gateway {
namespace {

bool is_plain(char c) { return static_cast<unsigned char>(c) >= 0x20 && c != '"' && c != '\\'; }

void append_escaped(std::string& out, char c) {
  constexpr std::string_view kHex = "0123456789abcdef";
  if (c == '"' || c == '\\') {
    out += '\\';
    out += c;
  } else {
    const auto byte = static_cast<unsigned char>(c);
    out += "\\u00";
    out += kHex[byte >> 4];
    out += kHex[byte & 15];
  }
}

void append_quoted(std::string& out, std::string_view text) {
  out += '"';
  while (true) {
    std::size_t plain = 0;
    while (plain < text.size() && is_plain(text[plain])) ++plain;
    out += text.substr(0, plain);
    if (plain == text.size()) break;
    append_escaped(out, text[plain]);
    text.remove_prefix(plain + 1);
  }
  out += '"';
}

template <class... Form>
std::string_view append_number(std::string& out, Form... form) {
  std::array<char, 400> digits;  // the largest double has 309 before its point
  const auto end = std::to_chars(digits.data(), digits.data() + digits.size(), form...).ptr;
  const std::size_t size = static_cast<std::size_t>(end - digits.data());
  out.append(digits.data(), size);
  return std::string_view(out).substr(out.size() - size);
}

}  // namespace

void JsonLine::name(std::string_view name) {
  if (!first_) out_ += ',';
  first_ = false;
  append_quoted(out_, name);
  out_ += ':';
}

void JsonLine::text(std::string_view member, std::string_view value) {
  name(member);
  append_quoted(out_, value);
}

void JsonLine::count(std::string_view member, std::uint64_t value) {
  name(member);
  append_number(out_, value);
}

void JsonLine::number(std::string_view member, double value) {
  name(member);
  if (!std::isfinite(value)) {
    out_ += "null";
    return;
  }
  // Readers tell a number from a count by its point.
  if (append_number(out_, value).find_first_of(".e") == std::string_view::npos) out_ += ".0";
}

void JsonLine::fixed(std::string_view member, double value, int decimals) {
  name(member);
  append_number(out_, value, std::chars_format::fixed, decimals);
}

void JsonLine::flag(std::string_view member, bool value) {
  name(member);
  out_ += value ? "true" : "false";
}

JsonLine JsonLine::object(std::string_view member) {
  name(member);
  return JsonLine(out_);
}

}  // namespace serin::gateway
