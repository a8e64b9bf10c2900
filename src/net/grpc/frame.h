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
// A status message as its trailer holds it.
std::string encode_message(std::string_view text);
// The grpc-timeout field; kInvalidArgument where it is malformed.
Result<std::optional<std::chrono::nanoseconds>> timeout(const RequestHead& head);

// A message with its prefix.
std::string frame(std::string_view message);

// Takes a stream of bytes apart into messages.
class Deframer {
 public:
  explicit Deframer(std::size_t message_limit) : limit_(message_limit) {}
  void feed(std::string_view bytes) { buffer_ += bytes; }
  // The next whole message; nullopt: not here yet. After an error the stream is of no more use.
  Result<std::optional<std::string>> next();
  bool empty() const { return begin_ == buffer_.size(); }

 private:
  std::size_t limit_;
  std::string buffer_;
  std::size_t begin_ = 0;
};

// One call. For the connection's thread, like the Exchange it wraps.
class Call {
 public:
  // `on_message` gets each request message (kResourceExhausted over `message_limit`), then nullopt
  // at the client's end of stream, or an error, which is the last call and may be given to
  // finish(). A call that lasts gives the bytes of each message back to the exchange.
  static std::shared_ptr<Call> accept(
      std::shared_ptr<Exchange> exchange,
      std::function<void(Result<std::optional<std::string>>)> on_message,
      std::size_t message_limit = 64 * 1024 * 1024);
  virtual ~Call() = default;
  virtual void send(std::string_view message) = 0;
  virtual void finish(const Status& status) = 0;  // trailers; trailers-only when nothing was sent
  virtual Exchange& exchange() = 0;
};

}  // namespace serin::net::grpc
