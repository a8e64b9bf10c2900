// SPDX-License-Identifier: Apache-2.0
#include "net/http/client_call.h"

#include <utility>

namespace serin::net {

void ClientCall::head(ResponseHead&& head) {
  if (!ended && sink.on_head) sink.on_head(std::move(head));
}

bool ClientCall::bytes(std::string_view piece) {
  body_bytes += piece.size();
  if (body_limit > 0 && body_bytes > body_limit) {
    fail({Code::kResourceExhausted,
          "the answer is larger than " + std::to_string(body_limit) + " bytes", "body_too_large"});
    return false;
  }
  if (!ended && sink.on_bytes) sink.on_bytes(piece);
  return true;
}

void ClientCall::end(const Headers& trailers) {
  if (std::exchange(ended, true)) return;
  session = nullptr;
  const ResponseSink last = std::exchange(sink, {});
  if (trailers.size() > 0 && last.on_trailers) last.on_trailers(trailers);
  if (last.on_end) last.on_end();
}

void ClientCall::fail(Error error) {
  if (std::exchange(ended, true)) return;
  session = nullptr;
  const ResponseSink last = std::exchange(sink, {});
  if (last.on_error) last.on_error(std::move(error));
}

bool ClientCall::idempotent() const {
  const std::string& method = request.method;
  return method == "GET" || method == "HEAD" || method == "OPTIONS" || method == "PUT" ||
         method == "DELETE" || method == "TRACE";
}

}  // namespace serin::net
