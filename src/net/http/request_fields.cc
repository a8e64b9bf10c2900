// SPDX-License-Identifier: Apache-2.0
#include "net/http/request_fields.h"

#include <algorithm>
#include <charconv>

#include "net/grpc/frame.h"

namespace serin::net {

Result<std::optional<Duration>> requested_timeout(const RequestHead& head) {
  if (grpc::is_grpc(head)) {
    SERIN_TRY_ASSIGN(const auto timeout, grpc::timeout(head));
    if (!timeout) return std::nullopt;
    return std::chrono::duration_cast<Duration>(*timeout);
  }
  const auto field = head.headers.find("serin-timeout");
  if (!field) return std::nullopt;
  double number = 0;
  const auto [rest, failed] = std::from_chars(field->data(), field->data() + field->size(), number);
  const std::string_view unit(rest, static_cast<std::size_t>(field->data() + field->size() - rest));
  constexpr double kLongest = 86'400;  // a day
  const double seconds = unit == "ms" ? number / 1000 : number;
  const bool known_unit = unit.empty() || unit == "s" || unit == "ms";
  if (failed != std::errc{} || !known_unit || !(seconds > 0) || seconds > kLongest) {
    return invalid("Serin-Timeout must be a time such as 250ms or 1.5s, up to a day",
                   "Serin-Timeout");
  }
  return std::chrono::duration_cast<Duration>(std::chrono::duration<double>(seconds));
}

std::string_view usable_request_id(const Headers& headers) {
  constexpr std::size_t kLongest = 128;
  const std::string_view id = headers.get("x-request-id");
  const bool usable = id.size() <= kLongest &&
                      std::ranges::all_of(id, [](unsigned char c) { return c > 0x20 && c < 0x7f; });
  return usable ? id : std::string_view{};
}

}  // namespace serin::net
