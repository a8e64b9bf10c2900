// SPDX-License-Identifier: Apache-2.0
#include "platform/kubernetes/client/time.h"

#include <algorithm>
#include <string>

#include "base/day.h"
#include "base/log.h"

namespace serin::platform::kubernetes {
namespace {

using std::chrono::microseconds;
using std::chrono::minutes;
using std::chrono::system_clock;

constexpr std::size_t kDay = 10;  // 2026-11-29
// The system's clock counts nanoseconds, and ends in 2262: a later year is read as a leap year
// before that, which has each day.
constexpr int kLastYear = 2261;
constexpr std::string_view kLate = "2260";
constexpr std::size_t kSeconds = 19;  // …T08:53:37

// Two digits at `at`, at most `most`; -1: none.
int pair_at(std::string_view text, std::size_t at, int most) {
  if (at + 2 > text.size()) return -1;
  const auto digit = [&](std::size_t i) { return text[i] >= '0' && text[i] <= '9'; };
  if (!digit(at) || !digit(at + 1)) return -1;
  const int value = (text[at] - '0') * 10 + (text[at + 1] - '0');
  return value <= most ? value : -1;
}

// "Z", "+01:00", "-08:30".
std::optional<minutes> offset_of(std::string_view text) {
  if (text == "Z" || text == "z") return minutes(0);
  if (text.size() != 6 || (text[0] != '+' && text[0] != '-') || text[3] != ':') return std::nullopt;
  const int hour = pair_at(text, 1, 23);
  const int minute = pair_at(text, 4, 59);
  if (hour < 0 || minute < 0) return std::nullopt;
  const minutes east(hour * 60 + minute);
  return text[0] == '+' ? east : -east;
}

// The digits after the point, which are taken away; the rest is the offset.
std::optional<microseconds> take_fraction(std::string_view& rest) {
  if (!rest.starts_with('.')) return microseconds(0);
  rest.remove_prefix(1);
  const std::size_t digits = std::min(rest.find_first_not_of("0123456789"), rest.size());
  if (digits == 0) return std::nullopt;
  std::string six(rest.substr(0, std::min<std::size_t>(digits, 6)));
  six.resize(6, '0');
  rest.remove_prefix(digits);
  return microseconds(std::stol(six));
}

std::optional<system_clock::time_point> day_of(std::string_view text) {
  std::string day(text);
  const int century = pair_at(day, 0, 99), year = pair_at(day, 2, 99);
  if (century >= 0 && year >= 0 && century * 100 + year > kLastYear) day.replace(0, 4, kLate);
  return parse_day(day);
}

}  // namespace

std::optional<system_clock::time_point> parse_time(std::string_view text) {
  if (text.size() <= kSeconds || (text[kDay] != 'T' && text[kDay] != 't') || text[13] != ':' ||
      text[16] != ':')
    return std::nullopt;
  const auto day = day_of(text.substr(0, kDay));
  const int hour = pair_at(text, 11, 23);
  const int minute = pair_at(text, 14, 59);
  const int second = pair_at(text, 17, 60);  // a leap second is the next one's beginning
  std::string_view rest = text.substr(kSeconds);
  const auto fraction = take_fraction(rest);
  const auto east = offset_of(rest);
  if (!day || hour < 0 || minute < 0 || second < 0 || !fraction || !east) return std::nullopt;
  return *day + std::chrono::hours(hour) + minutes(minute) + std::chrono::seconds(second) +
         *fraction - *east;
}

std::string micro_time(system_clock::time_point time) {
  const auto micros = std::chrono::floor<microseconds>(time.time_since_epoch());
  const auto past = micros - std::chrono::floor<std::chrono::milliseconds>(micros);
  const std::string digits = std::to_string(1000 + past.count()).substr(1);
  std::string text = log::timestamp(time);  // to the millisecond
  return text.insert(text.size() - 1, digits);
}

}  // namespace serin::platform::kubernetes
