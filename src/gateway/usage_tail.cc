// SPDX-License-Identifier: Apache-2.0
#include "gateway/usage_tail.h"

#include <charconv>

namespace serin::gateway {

void UsageTail::add(std::string_view bytes) {
  if (bytes.size() >= kKept) {
    tail_ = bytes.substr(bytes.size() - kKept);
    return;
  }
  tail_ += bytes;
  if (tail_.size() > 2 * kKept) tail_.erase(0, tail_.size() - kKept);
}

// The last member of that name; one in a text stands after a backslash.
std::optional<double> UsageTail::number(std::string_view name) const {
  const std::string member = "\"" + std::string(name) + "\"";
  for (std::size_t at = tail_.rfind(member); at != std::string::npos;
       at = at == 0 ? std::string::npos : tail_.rfind(member, at - 1)) {
    if (at > 0 && tail_[at - 1] == '\\') continue;
    std::size_t value = tail_.find_first_not_of(" \t\r\n", at + member.size());
    if (value == std::string::npos || tail_[value] != ':') continue;
    value = tail_.find_first_not_of(" \t\r\n", value + 1);
    if (value == std::string::npos) continue;
    std::uint32_t number = 0;
    const auto read = std::from_chars(tail_.data() + value, tail_.data() + tail_.size(), number);
    if (read.ec == std::errc()) return number;
  }
  return std::nullopt;
}

std::optional<double> UsageTail::tokens() const {
  if (const auto total = number("total_tokens")) return total;
  const auto input = number("input_tokens"), output = number("output_tokens");
  if (!output) return std::nullopt;
  return input.value_or(0) + *output;
}

}  // namespace serin::gateway
