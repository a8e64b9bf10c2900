// SPDX-License-Identifier: Apache-2.0
#include "net/http/client_call.h"

#include <utility>

#include "net/http/client_pool.h"

namespace serin::net {

void ClientCall::pause(bool wanted) {
  if (std::exchange(paused, wanted) && !wanted && session && !ended) session->resume(*this);
}

void ClientCall::cancel() {
  if (std::exchange(ended, true)) return;
  drained_call = nullptr;
  // The sink may be on the stack: the pool lets go of it at the next tick.
  if (auto* carrier = std::exchange(session, nullptr)) carrier->cancel(*this);
}

void ClientCall::write(std::string_view bytes) {
  if (ended || out_ended || bytes.empty()) return;
  out.write(bytes);
  if (session) session->body_grew(*this);
}

void ClientCall::finish() {
  if (ended || std::exchange(out_ended, true)) return;
  if (session) session->body_grew(*this);
}

std::size_t ClientCall::unsent() const {
  return out.size() + (session ? session->unsent(*this) : 0);
}

void ClientCall::on_drained(std::function<void()> call) {
  if (ended) return;
  drained_call = std::move(call);
  if (unsent() == 0) pool->drained_soon(*this);
}

void ClientCall::drained() {
  if (ended || unsent() > 0) return;
  if (const auto call = std::exchange(drained_call, nullptr)) call();
}

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
  drained_call = nullptr;
  const ResponseSink last = std::exchange(sink, {});
  if (trailers.size() > 0 && last.on_trailers) last.on_trailers(trailers);
  if (last.on_end) last.on_end();
}

void ClientCall::fail(Error error) {
  if (std::exchange(ended, true)) return;
  session = nullptr;
  drained_call = nullptr;
  const ResponseSink last = std::exchange(sink, {});
  if (last.on_error) last.on_error(std::move(error));
}

bool ClientCall::idempotent() const {
  const std::string& method = request.method;
  return method == "GET" || method == "HEAD" || method == "OPTIONS" || method == "PUT" ||
         method == "DELETE" || method == "TRACE";
}

}  // namespace serin::net
