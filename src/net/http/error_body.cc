// SPDX-License-Identifier: Apache-2.0
#include "net/http/error_body.h"

#include <algorithm>

#include "net/http/status.h"
#include "net/sse.h"

namespace serin::net {
namespace {

// The names that OpenAI's clients know.
std::string_view type_of(std::uint16_t status) {
  switch (status) {
    case 401:
      return "authentication_error";
    case 403:
      return "permission_error";
    case 404:
      return "not_found_error";
    case 429:
      return "rate_limit_error";
    default:
      return status < 500 ? "invalid_request_error" : "server_error";
  }
}

std::string lower_name(Code code) {
  std::string name(name_of(code));
  std::ranges::transform(name, name.begin(),
                         [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return name;
}

}  // namespace

bool retryable(const Error& error) {
  return error.code == Code::kUnavailable || error.code == Code::kResourceExhausted ||
         error.code == Code::kAborted;
}

std::string error_code(const Error& error) {
  return error.reason.empty() ? lower_name(error.code) : error.reason;
}

json::object error_object(const Error& error) {
  json::object inner;
  inner["message"] = error.message;
  inner["type"] = type_of(http_status(error));
  inner["param"] = error.param.empty() ? json::value(nullptr) : json::value(error.param);
  inner["code"] = error_code(error);
  return {{"error", std::move(inner)}};
}

Response error_response(const Error& error) {
  Response response;
  response.status = http_status(error);
  response.headers.add("content-type", "application/json");
  if (error.retry_after) {
    // Whole seconds, rounded up: RFC 9110, section 10.2.3.
    const auto seconds = (error.retry_after->count() + 999) / 1000;
    response.headers.add("retry-after", std::to_string(std::max<std::int64_t>(1, seconds)));
  }
  if (response.status == 401) response.headers.add("www-authenticate", "Bearer");
  response.body = json::serialize(error_object(error));
  return response;
}

std::string error_event(const Error& error) {
  json::object body = error_object(error);
  body["error"].as_object()["retryable"] = retryable(error);
  return to_sse({.event = "error", .data = json::serialize(body), .id = {}});
}

}  // namespace serin::net
