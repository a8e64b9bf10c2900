// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <array>
#include <cctype>

#include "base/yaml.h"

namespace serin {
namespace {

bool is_letter(char c) { return std::isalpha(static_cast<unsigned char>(c)) != 0; }
bool is_digit(char c) { return std::isdigit(static_cast<unsigned char>(c)) != 0; }

// What a reader of YAML 1.1 takes for true, false or null.
bool is_word_of_yaml(std::string_view text) {
  constexpr std::array<std::string_view, 9> kWords = {"y",   "n",    "yes",   "no",  "on",
                                                      "off", "true", "false", "null"};
  std::string lower(text);
  std::ranges::transform(lower, lower.begin(),
                         [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return std::ranges::find(kWords, lower) != kWords.end();
}

// "60s", "4Gi": digits and then letters. Not 0x…, which may be a number.
bool is_quantity(std::string_view text) {
  const auto letters = std::ranges::find_if_not(text, is_digit);
  return letters != text.begin() && letters != text.end() && text.front() != '0' &&
         std::all_of(letters, text.end(), is_letter);
}

// Whether every reader takes it for this string as it stands.
bool is_plain(std::string_view text) {
  if (is_quantity(text)) return true;
  if (text.empty() || text.back() == ' ' || text.back() == ':' || is_word_of_yaml(text))
    return false;
  const bool option = text.size() > 2 && text.starts_with("--") && is_letter(text[2]);
  if (!option && !is_letter(text.front()) &&
      std::string_view("/_^$(").find(text.front()) == text.npos)
    return false;
  if (!std::ranges::all_of(text, [](char c) { return c >= ' ' && c < '\x7f'; })) return false;
  return text.find(": ") == text.npos && text.find(" #") == text.npos;
}

void append_hex(std::string& out, unsigned code, int digits) {
  for (int shift = 4 * (digits - 1); shift >= 0; shift -= 4)
    out += "0123456789abcdef"[(code >> shift) & 15];
}

// Line breaks and byte order marks of Unicode, which a reader of YAML 1.1 would not keep; 0: none.
unsigned escaped_sequence(std::string_view rest) {
  if (rest.size() >= 2 && rest[0] == '\xc2' && static_cast<unsigned char>(rest[1]) < 0xa0)
    return static_cast<unsigned char>(rest[1]);
  if (rest.starts_with("\xe2\x80\xa8")) return 0x2028;
  if (rest.starts_with("\xe2\x80\xa9")) return 0x2029;
  if (rest.starts_with("\xef\xbb\xbf")) return 0xfeff;
  return 0;
}

std::string quoted(std::string_view text) {
  std::string out = "\"";
  while (!text.empty()) {
    const char c = text.front();
    std::size_t taken = 1;
    if (c == '"' || c == '\\') {
      (out += '\\') += c;
    } else if (c == '\n') {
      out += "\\n";
    } else if (static_cast<unsigned char>(c) < ' ' || c == '\x7f') {
      append_hex(out += "\\x", static_cast<unsigned char>(c), 2);
    } else if (const unsigned code = escaped_sequence(text); code != 0) {
      append_hex(out += "\\u", code, 4);
      taken = code < 0x100 ? 2 : 3;
    } else {
      out += c;
    }
    text.remove_prefix(taken);
  }
  return out + "\"";
}

// A reader of YAML 1.1 takes 1e-7 for a string, and any reader what has no point for an integer,
// which may be too long for it.
std::string number(const json::value& value) {
  constexpr std::size_t kLongestInteger = 18;  // fits into 64 bits for certain
  std::string text = canonical_json(value);
  const std::size_t end = std::min(text.find('e'), text.size());
  const bool needs_point = end < text.size() || text.size() > kLongestInteger;
  if (value.is_double() && needs_point && text.find('.') == std::string::npos)
    text.insert(end, ".0");
  return text;
}

std::string scalar(std::string_view text) {
  return is_plain(text) ? std::string(text) : quoted(text);
}

class Writer {
 public:
  std::string out;

  // After "key:" or "-", or at the start of the document; ends with a newline.
  void value(const json::value& value, std::size_t indent) {
    if (const auto* object = value.if_object(); object != nullptr && !object->empty()) {
      entries(*object, indent);
    } else if (const auto* array = value.if_array(); array != nullptr && !array->empty()) {
      items(*array, indent);
    } else if (const auto* text = value.if_string()) {
      out += scalar(*text) + "\n";
    } else if (value.is_number()) {
      out += number(value) + "\n";
    } else {
      out += canonical_json(value) + "\n";  // also {} and []
    }
  }

 private:
  static bool is_block(const json::value& value) {
    return (value.is_object() && !value.get_object().empty()) ||
           (value.is_array() && !value.get_array().empty());
  }

  // The first entry stands where the writer is; the others each on a line.
  void entries(const json::object& object, std::size_t indent) {
    bool first = true;
    for (const auto& entry : object) {
      if (!first) out.append(indent, ' ');
      first = false;
      key(scalar(entry.key()), indent);
      if (!is_block(entry.value())) {
        out += " ";
        value(entry.value(), indent);
        continue;
      }
      // A list stands under its key, as Kubernetes' tools write it.
      const std::size_t below = indent + (entry.value().is_array() ? 0 : 2);
      (out += "\n").append(below, ' ');
      value(entry.value(), below);
    }
  }

  // A reader looks for the colon of a plain "key:" 1,024 characters far.
  void key(const std::string& text, std::size_t indent) {
    constexpr std::size_t kLongestSimple = 1000;
    if (text.size() > kLongestSimple) (out += "? " + text + "\n").append(indent, ' ');
    out += text.size() > kLongestSimple ? ":" : text + ":";
  }

  void items(const json::array& array, std::size_t indent) {
    bool first = true;
    for (const json::value& item : array) {
      if (!first) out.append(indent, ' ');
      first = false;
      out += "- ";
      value(item, indent + 2);
    }
  }
};

}  // namespace

std::string write_yaml(const json::value& value) {
  Writer writer;
  writer.value(value, 0);
  return std::move(writer.out);
}

}  // namespace serin
