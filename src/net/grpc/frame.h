// SPDX-License-Identifier: Apache-2.0
// gRPC's framing over an HTTP/2 exchange: length-prefixed messages and the status in trailers
// (https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md). No compression is offered.
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "base/error.h"
#include "net/http/server.h"

namespace serin::net::grpc {

// True for POST with content-type application/grpc[+proto].
bool is_grpc(const RequestHead& head);
// The grpc-timeout field; kInvalidArgument where it is malformed.
Result<std::optional<std::chrono::nanoseconds>> timeout(const RequestHead& head);

// One call. For the connection's thread, like the Exchange it wraps.
class Call {
 public:
  // `on_message` gets each request message (bounded by the server's body limit), then nullopt at
  // the client's end of stream, or an error.
  static std::shared_ptr<Call> accept(
      std::shared_ptr<Exchange> exchange,
      std::function<void(Result<std::optional<std::string>>)> on_message);
  virtual ~Call() = default;
  virtual void send(std::string_view message) = 0;
  virtual void finish(const Status& status) = 0;  // trailers; trailers-only when nothing was sent
  virtual Exchange& exchange() = 0;
};

}  // namespace serin::net::grpc
