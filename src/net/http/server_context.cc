// SPDX-License-Identifier: Apache-2.0
#include "net/http/server_context.h"

#include <exception>

#include "base/log.h"

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
  try {
    context.handler(exchange);
  } catch (const std::exception& thrown) {
    log::error("a request handler threw",
               {{"what", thrown.what()}, {"path", exchange->head().path}});
    exchange->abandon();
  }
}

}  // namespace serin::net
