// SPDX-License-Identifier: Apache-2.0
#include "net/http/retry_after.h"

#include <algorithm>
#include <charconv>
#include <cstdint>

namespace serin::net {

std::optional<std::chrono::seconds> parse_retry_after(std::string_view field) {
  constexpr std::uint64_t kLongest = 86'400;
  std::uint64_t seconds = 0;
  const char* last = field.data() + field.size();
  const auto [end, error] = std::from_chars(field.data(), last, seconds);
  if (field.empty() || error != std::errc{} || end != last) return std::nullopt;
  return std::chrono::seconds(std::min(seconds, kLongest));
}

}  // namespace serin::net
