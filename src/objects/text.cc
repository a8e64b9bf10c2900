// SPDX-License-Identifier: Apache-2.0
#include "objects/text.h"

#include <sys/random.h>
#include <time.h>

#include <algorithm>
#include <array>
#include <charconv>

#include "base/check.h"

namespace serin::objects {
namespace {

constexpr std::string_view kHex = "0123456789ABCDEF";

std::optional<std::chrono::system_clock::time_point> parse_time(std::string_view text,
                                                                const char* format) {
  const std::string whole(text);
  tm parts{};
  const char* end = strptime(whole.c_str(), format, &parts);
  if (end == nullptr) return std::nullopt;
  // system_clock counts nanoseconds in 64 bits, which end in 2262.
  constexpr time_t kLatest = 7'258'118'400;  // 2200-01-01
  const time_t seconds = timegm(&parts);
  if (seconds < 0 || seconds >= kLatest) return std::nullopt;
  return std::chrono::system_clock::from_time_t(seconds);
}

}  // namespace

std::string printable(std::string_view text) {
  std::string shown(text.substr(0, 80));
  for (char& c : shown) {
    if (c < 0x20 || c > 0x7e) c = '?';
  }
  return text.size() > 80 ? shown + "…" : shown;
}

std::string http_date(std::chrono::system_clock::time_point time) {
  const time_t seconds = std::chrono::system_clock::to_time_t(time);
  tm parts{};
  gmtime_r(&seconds, &parts);
  std::array<char, 64> text{};
  const std::size_t size = strftime(text.data(), text.size(), "%a, %d %b %Y %H:%M:%S GMT", &parts);
  return {text.data(), size};
}

std::optional<std::chrono::system_clock::time_point> parse_http_date(std::string_view text) {
  return parse_time(text, "%a, %d %b %Y %H:%M:%S GMT");
}

std::optional<std::chrono::system_clock::time_point> parse_iso_time(std::string_view text) {
  return parse_time(text, "%Y-%m-%dT%H:%M:%S");
}

std::optional<std::uint64_t> parse_number(std::string_view text) {
  std::uint64_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc() || end != text.data() + text.size() || text.empty()) return std::nullopt;
  return number;
}

std::string lower_case(std::string_view text) {
  std::string lower(text);
  std::ranges::transform(lower, lower.begin(), [](char c) {
    return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  });
  return lower;
}

std::string_view trimmed(std::string_view text) {
  constexpr std::string_view kBlank = " \t\r\n";
  const std::size_t begin = std::min(text.find_first_not_of(kBlank), text.size());
  text.remove_prefix(begin);
  return text.substr(0, text.find_last_not_of(kBlank) + 1);
}

std::string random_id() {
  std::array<unsigned char, 16> bytes{};
  SERIN_CHECK(getrandom(bytes.data(), bytes.size(), 0) == static_cast<ssize_t>(bytes.size()));
  std::string id;
  for (const unsigned char byte : bytes) {
    id += lower_case(std::string{kHex[byte >> 4], kHex[byte & 15]});
  }
  return id;
}

}  // namespace serin::objects
