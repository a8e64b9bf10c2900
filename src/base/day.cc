// SPDX-License-Identifier: Apache-2.0
#include "base/day.h"

#include <charconv>

namespace serin {

std::optional<std::chrono::system_clock::time_point> parse_day(std::string_view text) {
  if (text.size() != 10 || text[4] != '-' || text[7] != '-') return std::nullopt;
  const auto number = [&](std::size_t from, std::size_t size) {
    int value = -1;
    const char* first = text.data() + from;
    const auto read = std::from_chars(first, first + size, value);
    return read.ptr == first + size ? value : -1;
  };
  const int year = number(0, 4), month = number(5, 2), day = number(8, 2);
  // The system's clock counts nanoseconds, and ends in 2262.
  if (year < 1970 || year > 2261 || month < 1 || day < 1) return std::nullopt;
  const std::chrono::year_month_day date{std::chrono::year(year),
                                         std::chrono::month(static_cast<unsigned>(month)),
                                         std::chrono::day(static_cast<unsigned>(day))};
  if (!date.ok()) return std::nullopt;
  return std::chrono::sys_days(date);
}

}  // namespace serin
