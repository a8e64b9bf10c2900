// SPDX-License-Identifier: Apache-2.0
#include "platform/kubernetes/client/status.h"

#include <algorithm>
#include <optional>
#include <set>
#include <string>
#include <utility>

#include "net/http/retry_after.h"
#include "net/http/status.h"
#include "platform/kubernetes/client/object.h"

namespace serin::platform::kubernetes {
namespace {

constexpr std::size_t kShown = 200;  // bytes of an answer that is no Status
constexpr std::chrono::hours kLongestWait{1};

// Where the reason says more than the number.
std::optional<Code> code_of_reason(std::string_view reason) {
  static constexpr std::pair<std::string_view, Code> kCodes[] = {
      {"AlreadyExists", Code::kAlreadyExists}, {"Conflict", Code::kAborted},
      {"Expired", Code::kOutOfRange},          {"Gone", Code::kOutOfRange},
      {"ServerTimeout", Code::kUnavailable},  // 500: the server is to be asked again
  };
  const auto found = std::ranges::find(kCodes, reason, [](const auto& one) { return one.first; });
  if (found == std::end(kCodes)) return std::nullopt;
  return found->second;
}

Code code_of_number(std::uint16_t status) {
  if (status == 410) return Code::kOutOfRange;
  if (status == 405) return Code::kUnimplemented;
  return net::code_of_http_status(status);
}

// Each once, with commas between.
std::string fields_of_causes(const json::value& status) {
  const json::value* causes = value_at(status, "/details/causes");
  if (causes == nullptr || !causes->is_array()) return {};
  std::set<std::string_view> known;
  std::string fields;
  for (const json::value& cause : causes->get_array()) {
    const std::string_view field = text_at(cause, "/field");
    if (field.empty() || !known.insert(field).second) continue;
    fields += (fields.empty() ? "" : ", ") + std::string(field);
  }
  return fields;
}

std::uint16_t number_of(const json::value& status) {
  const json::value* code = value_at(status, "/code");
  const std::int64_t* number = code == nullptr ? nullptr : code->if_int64();
  return number != nullptr && *number >= 400 && *number < 600 ? static_cast<std::uint16_t>(*number)
                                                              : 500;
}

Error error_of(const json::value& status, std::uint16_t number) {
  Error error;
  error.reason = text_at(status, "/reason");
  error.code = code_of_reason(error.reason).value_or(code_of_number(number));
  error.message = text_at(status, "/message");
  if (error.message.empty()) error.message = "the API server answered " + std::to_string(number);
  error.param = fields_of_causes(status);
  return error;
}

}  // namespace

Error error_of_status(const json::value& status) { return error_of(status, number_of(status)); }

Error error_of(const net::Response& response) {
  const auto body = parse_json(response.body, kObjectLimits);
  Error error;
  if (body && text_at(*body, "/kind") == "Status") {
    error = error_of(*body, response.status);
  } else {
    error.code = code_of_number(response.status);
    error.message = "the API server answered " + std::to_string(response.status) + ": " +
                    response.body.substr(0, kShown);
  }
  if (const auto wait = net::parse_retry_after(response.headers.get("retry-after")))
    error.retry_after = std::min<std::chrono::milliseconds>(*wait, kLongestWait);
  return error;
}

bool may_repeat(const Error& error, bool answered, bool repeatable) {
  if (!answered)
    return error.code == Code::kUnavailable || (error.code == Code::kAborted && repeatable);
  if (error.code == Code::kResourceExhausted) return error.retry_after.has_value();
  const bool trouble = error.code == Code::kUnavailable || error.code == Code::kInternal ||
                       error.code == Code::kDeadlineExceeded;
  return trouble && repeatable;
}

}  // namespace serin::platform::kubernetes
