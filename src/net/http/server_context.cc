// SPDX-License-Identifier: Apache-2.0
#include "net/http/server_context.h"

#include "base/last_resort.h"

namespace serin::net {

std::string refusal_body(std::uint16_t status, std::string_view code, std::string_view message) {
  std::string body = R"({"error":{"message":")";
  body += message;
  body += R"(","type":")";
  body += status >= 500 ? "server_error" : "invalid_request_error";
  body += R"(","param":null,"code":")";
  body += code;
  body += R"("}})";
  return body;
}

void run_handler(ServerContext& context, const std::shared_ptr<Exchange>& exchange) {
  if (survives("a request handler", [&] { context.handler(exchange); })) return;
  survives("giving up a request", [&] { exchange->abandon(); });
}

}  // namespace serin::net
