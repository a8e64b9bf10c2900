// SPDX-License-Identifier: Apache-2.0
#include "platform/kubernetes/platform/cursor.h"

#include <algorithm>
#include <charconv>

namespace serin::platform::kubernetes {
namespace {

// "UID:NUMBER" into the cursor; false for what is none.
bool take(std::string_view text, Cursor& cursor) {
  const std::size_t colon = text.find(':');
  if (colon == std::string_view::npos || colon == 0) return false;
  const std::string_view digits = text.substr(colon + 1);
  std::uint64_t number = 0;
  const char* const last = digits.data() + digits.size();
  const auto [end, wrong] = std::from_chars(digits.data(), last, number);
  if (wrong != std::errc() || end != last) return false;
  cursor[std::string(text.substr(0, colon))] = number;
  return true;
}

}  // namespace

Result<Cursor> read_cursor(std::string_view text) {
  Cursor cursor;
  for (std::string_view rest = text; !rest.empty();) {
    const std::string_view one = rest.substr(0, rest.find(','));
    rest.remove_prefix(std::min(rest.size(), one.size() + 1));
    if (!take(one, cursor))
      return invalid("\"" + std::string(text) + "\" is no cursor, POD-UID:NUMBER,…", "after");
  }
  return cursor;
}

std::string write_cursor(const Cursor& cursor) {
  std::string text;
  for (const auto& [uid, number] : cursor)
    text += (text.empty() ? "" : ",") + uid + ":" + std::to_string(number);
  return text;
}

}  // namespace serin::platform::kubernetes
