// SPDX-License-Identifier: Apache-2.0
#include "objects/object_store.h"

#include "base/utf8.h"
#include "objects/text.h"

namespace serin::objects {
namespace {

constexpr std::size_t kLongestKey = 1000;
constexpr std::size_t kLongestSegment = 255;

std::string wrong_with_segment(std::string_view segment) {
  if (segment.empty())
    return "has an empty segment; write single '/' between segments, none outside";
  if (segment == "." || segment == "..") return "has the segment '" + std::string(segment) + "'";
  if (segment.size() > kLongestSegment) {
    return "has a segment of " + std::to_string(segment.size()) + " bytes; the most is " +
           std::to_string(kLongestSegment);
  }
  return {};
}

std::string wrong_with(std::string_view key) {
  if (key.empty()) return "is empty";
  if (key.size() > kLongestKey) {
    return "has " + std::to_string(key.size()) + " bytes; the most is " +
           std::to_string(kLongestKey);
  }
  if (!is_utf8(key)) return "is not UTF-8";
  for (const char c : key) {
    if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) return "has a control character";
    if (c == '\\') return "has a '\\'; segments stand between '/'";
  }
  for (std::size_t begin = 0; begin <= key.size();) {
    const std::size_t end = std::min(key.find('/', begin), key.size());
    if (auto wrong = wrong_with_segment(key.substr(begin, end - begin)); !wrong.empty())
      return wrong;
    begin = end + 1;
  }
  if (key == ".serin" || key.starts_with(".serin/")) return "begins with .serin, which stores keep";
  return {};
}

}  // namespace

Status check_key(std::string_view key) {
  const std::string wrong = wrong_with(key);
  if (wrong.empty()) return {};
  return invalid("the key '" + printable(key) + "' " + wrong);
}

Result<std::string> get_bytes(ObjectStore& store, std::string_view key, std::size_t limit,
                              const CancelToken& cancel) {
  std::string bytes;
  SERIN_TRY(store.get(
      key, {},
      [&](std::string_view piece) -> Status {
        if (piece.size() > limit - bytes.size()) {
          return fail(Code::kOutOfRange, "'" + std::string(key) + "' is larger than the limit of " +
                                             std::to_string(limit) + " bytes");
        }
        bytes += piece;
        return {};
      },
      cancel));
  return bytes;
}

}  // namespace serin::objects
