// SPDX-License-Identifier: Apache-2.0
#include "base/json.h"

#include <algorithm>
#include <array>
#include <boost/json/basic_parser_impl.hpp>
#include <charconv>
#include <cmath>
#include <cstdlib>
#include <vector>

namespace serin {
namespace {

// Boost.JSON keeps the last of two equal keys; a digest or a security check must not depend on that
// choice. The builder below is Boost's own value_stack, with the keys of every open object
// remembered until it closes.
class Builder {
 public:
  static constexpr std::size_t max_object_size = json::object::max_size();
  static constexpr std::size_t max_array_size = json::array::max_size();
  static constexpr std::size_t max_key_size = json::string::max_size();
  static constexpr std::size_t max_string_size = json::string::max_size();

  json::value release() { return stack_.release(); }
  const std::string& duplicate() const { return duplicate_; }

  bool on_document_begin(json::error_code&) {
    stack_.reset();
    return true;
  }
  bool on_document_end(json::error_code&) { return true; }
  bool on_object_begin(json::error_code&) {
    open_.push_back(key_ends_.size());
    return true;
  }
  bool on_object_end(std::size_t count, json::error_code& ec) {
    if (!keys_differ()) {
      ec = json::error::exception;  // any code: duplicate() is what the caller reads
      return false;
    }
    key_ends_.resize(open_.back());
    keys_.resize(key_ends_.empty() ? 0 : key_ends_.back());
    open_.pop_back();
    stack_.push_object(count);
    return true;
  }
  bool on_array_begin(json::error_code&) { return true; }
  bool on_array_end(std::size_t count, json::error_code&) {
    stack_.push_array(count);
    return true;
  }
  bool on_key_part(json::string_view part, std::size_t, json::error_code&) {
    keys_.append(part.data(), part.size());
    stack_.push_chars(part);
    return true;
  }
  bool on_key(json::string_view part, std::size_t, json::error_code&) {
    keys_.append(part.data(), part.size());
    key_ends_.push_back(keys_.size());
    stack_.push_key(part);
    return true;
  }
  bool on_string_part(json::string_view part, std::size_t, json::error_code&) {
    stack_.push_chars(part);
    return true;
  }
  bool on_string(json::string_view part, std::size_t, json::error_code&) {
    stack_.push_string(part);
    return true;
  }
  bool on_number_part(json::string_view, json::error_code&) { return true; }
  bool on_int64(std::int64_t number, json::string_view, json::error_code&) {
    stack_.push_int64(number);
    return true;
  }
  bool on_uint64(std::uint64_t number, json::string_view, json::error_code&) {
    stack_.push_uint64(number);
    return true;
  }
  // Boost.JSON 1.81 rounds some numbers to a neighbour of the nearest double; the standard library
  // does not. Its text is here whole, since parse_json gives the parser all bytes at once.
  bool on_double(double number, json::string_view text, json::error_code& ec) {
    double nearest = 0;
    if (std::from_chars(text.data(), text.data() + text.size(), nearest).ec == std::errc()) {
      number = nearest;
    }
    if (!std::isfinite(number)) {
      ec = json::error::not_number;
      return false;
    }
    stack_.push_double(number);
    return true;
  }
  bool on_bool(bool truth, json::error_code&) {
    stack_.push_bool(truth);
    return true;
  }
  bool on_null(json::error_code&) {
    stack_.push_null();
    return true;
  }
  bool on_comment_part(json::string_view, json::error_code&) { return true; }
  bool on_comment(json::string_view, json::error_code&) { return true; }

 private:
  bool keys_differ() {
    const std::size_t first = open_.back();
    sorted_.clear();
    for (std::size_t i = first; i < key_ends_.size(); ++i) {
      const std::size_t begin = i == 0 ? 0 : key_ends_[i - 1];
      sorted_.push_back(std::string_view(keys_).substr(begin, key_ends_[i] - begin));
    }
    std::sort(sorted_.begin(), sorted_.end());
    const auto twice = std::adjacent_find(sorted_.begin(), sorted_.end());
    if (twice == sorted_.end()) return true;
    duplicate_ = *twice;
    return false;
  }

  json::value_stack stack_;
  std::string keys_;                   // all keys of all open objects, end to end
  std::vector<std::size_t> key_ends_;  // where each ends
  std::vector<std::size_t> open_;      // how many keys there were when each object opened
  std::vector<std::string_view> sorted_;
  std::string duplicate_;
};

std::string place_of(std::string_view text, std::size_t offset) {
  offset = std::min(offset, text.size());
  const std::string_view before = text.substr(0, offset);
  const auto line = std::count(before.begin(), before.end(), '\n') + 1;
  const std::size_t newline = before.rfind('\n');
  const std::size_t column = newline == std::string_view::npos ? offset + 1 : offset - newline;
  return "line " + std::to_string(line) + ", column " + std::to_string(column);
}

struct NumberDigits {
  bool negative = false;
  std::string
      digits;     // shortest that read back as the same double, without leading or trailing zeros
  int point = 0;  // the decimal point stands after this many digits
};

NumberDigits shortest(double number) {
  std::array<char, 32> text{};
  const auto end = std::to_chars(text.data(), text.data() + text.size(), std::abs(number),
                                 std::chars_format::scientific);
  const std::string_view written(text.data(), static_cast<std::size_t>(end.ptr - text.data()));
  const std::size_t e = written.find('e');
  NumberDigits made;
  made.negative = std::signbit(number);
  for (const char letter : written.substr(0, e)) {
    if (letter != '.') made.digits.push_back(letter);
  }
  made.point = std::atoi(written.data() + e + 1) + 1;
  return made;
}

// ECMAScript's Number::toString (ECMA-262, 6.1.6.1.20), which RFC 8785 builds on.
std::string ecmascript(double number) {
  if (number == 0) return "0";
  const NumberDigits parts = shortest(number);
  const std::string& digits = parts.digits;
  const int count = static_cast<int>(digits.size());
  const int point = parts.point;
  std::string text = parts.negative ? "-" : "";
  if (count <= point && point <= 21) {
    text += digits + std::string(static_cast<std::size_t>(point - count), '0');
  } else if (0 < point && point <= 21) {
    text += digits.substr(0, static_cast<std::size_t>(point)) + "." +
            digits.substr(static_cast<std::size_t>(point));
  } else if (-6 < point && point <= 0) {
    text += "0." + std::string(static_cast<std::size_t>(-point), '0') + digits;
  } else {
    text += digits[0];
    if (count > 1) text += "." + digits.substr(1);
    text += point > 0 ? "e+" : "e-";
    text += std::to_string(std::abs(point - 1));
  }
  return text;
}

void append_string(std::string& out, std::string_view text) {
  constexpr std::string_view kDigits = "0123456789abcdef";
  out += '"';
  for (const char letter : text) {
    switch (letter) {
      case '"':
        out += "\\\"";
        break;
      case '\\':
        out += "\\\\";
        break;
      case '\b':
        out += "\\b";
        break;
      case '\f':
        out += "\\f";
        break;
      case '\n':
        out += "\\n";
        break;
      case '\r':
        out += "\\r";
        break;
      case '\t':
        out += "\\t";
        break;
      default:
        if (const auto byte = static_cast<unsigned char>(letter); byte < 0x20) {
          out += "\\u00";
          out += kDigits[byte >> 4];
          out += kDigits[byte & 15];
        } else {
          out += letter;
        }
    }
  }
  out += '"';
}

// UTF-16 puts the surrogates of U+10000 and above (D800 to DFFF) before U+E000 to U+FFFF, and is
// otherwise in code point order, which is UTF-8's byte order. The lead bytes concerned are F0 to F4
// against EE and EF.
int utf16_rank(char letter) {
  const auto byte = static_cast<unsigned char>(letter);
  if (byte == 0xee || byte == 0xef) return byte + 0x10;
  return byte >= 0xf0 ? byte - 2 : byte;
}

bool utf16_less(std::string_view a, std::string_view b) {
  return std::lexicographical_compare(
      a.begin(), a.end(), b.begin(), b.end(),
      [](char left, char right) { return utf16_rank(left) < utf16_rank(right); });
}

void append_canonical(std::string& out, const json::value& value);

void append_canonical(std::string& out, const json::object& object) {
  std::vector<const json::key_value_pair*> members;
  members.reserve(object.size());
  for (const json::key_value_pair& member : object) members.push_back(&member);
  std::sort(members.begin(), members.end(),
            [](const auto* a, const auto* b) { return utf16_less(a->key(), b->key()); });
  out += '{';
  for (std::size_t i = 0; i < members.size(); ++i) {
    if (i > 0) out += ',';
    append_string(out, members[i]->key());
    out += ':';
    append_canonical(out, members[i]->value());
  }
  out += '}';
}

void append_canonical(std::string& out, const json::value& value) {
  switch (value.kind()) {
    case json::kind::null:
      out += "null";
      return;
    case json::kind::bool_:
      out += value.get_bool() ? "true" : "false";
      return;
    // Integers beyond 2^53 are outside the RFC (I-JSON); their own digits keep different documents
    // different.
    case json::kind::int64:
      out += std::to_string(value.get_int64());
      return;
    case json::kind::uint64:
      out += std::to_string(value.get_uint64());
      return;
    case json::kind::double_:
      out += ecmascript(value.get_double());
      return;
    case json::kind::string:
      append_string(out, value.get_string());
      return;
    case json::kind::object:
      append_canonical(out, value.get_object());
      return;
    case json::kind::array: {
      out += '[';
      bool first = true;
      for (const json::value& item : value.get_array()) {
        if (!std::exchange(first, false)) out += ',';
        append_canonical(out, item);
      }
      out += ']';
      return;
    }
  }
}

}  // namespace

Result<json::value> parse_json(std::string_view text, const JsonLimits& limits) {
  json::parse_options options;
  options.max_depth = limits.depth;
  json::basic_parser<Builder> parser(options);
  json::error_code ec;
  const std::size_t used = parser.write_some(false, text.data(), text.size(), ec);
  if (!ec && used < text.size()) {
    return invalid("not JSON: more text after the value, at " + place_of(text, used));
  }
  if (!parser.handler().duplicate().empty() || ec == json::error::exception) {
    return invalid("not JSON: the key \"" + parser.handler().duplicate() +
                   "\" stands twice in the object that ends at " + place_of(text, used));
  }
  if (ec == json::error::too_deep) {
    return invalid("JSON nested deeper than " + std::to_string(limits.depth) + " levels, at " +
                   place_of(text, used));
  }
  if (ec) return invalid("not JSON: " + ec.message() + ", at " + place_of(text, used));
  return parser.handler().release();
}

std::string canonical_json(const json::value& value) {
  std::string out;
  append_canonical(out, value);
  return out;
}

}  // namespace serin
