// SPDX-License-Identifier: Apache-2.0
// For tests of the server: one that answers with what it was asked, and requests as bytes.
#pragma once

#include <gtest/gtest.h>

#include <memory>
#include <string>

#include "net/http/server.h"
#include "net/http/status.h"

namespace serin::net {

// Answers with what it was asked: the method, the path and the body.
inline void echo(const std::shared_ptr<Exchange>& exchange) {
  exchange->read_body([exchange](Result<std::string> body) {
    Response response;
    if (!body) {
      response.status = http_status(body.error());
      response.body = body.error().reason;
    } else {
      response.body = exchange->head().method + " " + exchange->head().path + " [" + *body + "]";
    }
    exchange->respond(std::move(response));
  });
}

inline std::unique_ptr<Server> serve(Handler handler, ServerLimits limits = {},
                                     unsigned threads = 1) {
  ServerOptions options;
  options.port = 0;
  options.limits = limits;
  options.threads = threads;
  auto server = Server::create(std::move(options), std::move(handler));
  EXPECT_TRUE(server.has_value());
  return std::move(*server);
}

inline std::string status_line(const std::string& answer) {
  return answer.substr(0, answer.find("\r\n"));
}

inline std::string get(std::string_view fields, std::string_view line = "GET / HTTP/1.1") {
  return std::string(line) + "\r\n" + std::string(fields) + "\r\n";
}
inline std::string chunks(std::string_view body) {
  return "POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n" + std::string(body);
}

}  // namespace serin::net
