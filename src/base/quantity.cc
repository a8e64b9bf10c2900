// SPDX-License-Identifier: Apache-2.0
#include "base/quantity.h"

#include <algorithm>
#include <array>
#include <charconv>

namespace serin {

Result<double> parse_duration(std::string_view text) {
  constexpr std::array<std::pair<std::string_view, double>, 6> kUnits = {
      {{"ms", 1e-3}, {"us", 1e-6}, {"s", 1}, {"m", 60}, {"h", 3600}, {"d", 86'400}}};
  const auto wrong = [&] {
    return invalid(json::serialize(json::value(text)) +
                   " is not a duration; write 250ms, 60s, 10m, 1h or 7d");
  };
  double seconds = 0;
  std::string_view rest = text;
  if (rest.empty() || rest.size() > 32) return wrong();
  while (!rest.empty()) {
    double number = 0;
    const auto [end, error] =
        std::from_chars(rest.data(), rest.data() + rest.size(), number, std::chars_format::fixed);
    if (error != std::errc() || number < 0) return wrong();
    rest.remove_prefix(static_cast<std::size_t>(end - rest.data()));
    const auto unit = std::ranges::find_if(kUnits, [&](const auto& one) {
      // "m" is not the beginning of "ms".
      const std::string_view letters = rest.substr(0, rest.find_first_of("0123456789."));
      return letters == one.first;
    });
    if (unit == kUnits.end()) return wrong();
    rest.remove_prefix(unit->first.size());
    seconds += number * unit->second;
  }
  constexpr double kLongest = 10 * 365 * 86'400.0;
  if (seconds > kLongest) return invalid("a duration is at most ten years");
  return seconds;
}

Result<double> parse_share(const json::value& value) {
  const auto wrong = [&] {
    return invalid(json::serialize(value) + " is not a share; write 0.02 or 2%, from 0 to 1");
  };
  if (value.is_number()) {
    const double share = value.to_number<double>();
    if (share < 0 || share > 1) return wrong();
    return share;
  }
  const auto* text = value.if_string();
  if (text == nullptr || text->size() < 2 || text->size() > 32 || text->back() != '%')
    return wrong();
  double percent = 0;
  const char* last = text->data() + text->size() - 1;
  const auto [end, error] = std::from_chars(text->data(), last, percent, std::chars_format::fixed);
  if (error != std::errc() || end != last || percent < 0 || percent > 100) return wrong();
  return percent / 100;
}

}  // namespace serin
