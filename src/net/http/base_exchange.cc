// SPDX-License-Identifier: Apache-2.0
#include "net/http/base_exchange.h"

#include <utility>

#include "base/check.h"
#include "base/last_resort.h"
#include "net/http/server_context.h"

namespace serin::net {

namespace {

Error client_left() { return {Code::kCancelled, "the client went away"}; }

Error bodies_full() {
  Error error{Code::kResourceExhausted, "the server holds as many bytes of requests as it allows",
              "bodies_full"};
  error.retry_after = std::chrono::seconds(1);
  return error;
}

}  // namespace

template <class Call>
void BaseExchange::guarded(Call&& call) noexcept {
  if (!survives("a request's call-back", call)) {
    survives("giving up a request", [this] { abandon(); });
  }
}

void BaseExchange::post(std::function<void()> call) {
  loop_->post([self = shared_from_this(), call = std::move(call)] { self->guarded(call); });
}

void BaseExchange::read_body(std::function<void(Result<std::string>)> done) {
  SERIN_CHECK(!std::exchange(asked_, true));
  whole_ = std::move(done);
  if (gone_) return fail_soon(client_left());
  refused_ = refused_ || !share_.expect(declared_length(head_.headers).value_or(0));
  if (refused_) return fail_soon(bodies_full());
  reading_ = Reading::kWhole;
  if (!finished_) body_wanted();
}

void BaseExchange::read_pieces(std::function<bool(Result<std::string>)> piece) {
  SERIN_CHECK(!std::exchange(asked_, true));
  piece_ = std::move(piece);
  if (gone_) return fail_soon(client_left());
  if (refused_) return fail_soon(bodies_full());
  reading_ = Reading::kPieces;
  if (!finished_) body_wanted();
}

void BaseExchange::pause_pieces(bool paused) {
  const bool resumed = paused_ && !paused;
  paused_ = paused;
  if (resumed && reading_ != Reading::kNothing && !gone_ && !finished_) body_wanted();
}

void BaseExchange::abandon() {
  if (gone_ || finished_) return;
  // Whoever was to answer learns that nobody waits any more.
  const auto told = std::exchange(gone_call_, nullptr);
  give_up();
  gone_ = true;
  if (told) survives("giving up a request", told);
}

void BaseExchange::give_up() {
  if (answering()) return abort();
  Response response;
  response.status = 500;
  response.headers.add("content-type", "application/json");
  response.body =
      refusal_body(500, "internal_error", "the server failed while answering this request");
  respond(std::move(response));
}

void BaseExchange::on_gone(std::function<void()> call) {
  if (finished_) return;
  if (gone_) return post(std::move(call));
  gone_call_ = std::move(call);
}

bool BaseExchange::hold(std::size_t bytes) {
  if (refused_) return false;
  if (share_.add(bytes)) return true;
  refused_ = true;
  if (asked_) fail_soon(bodies_full());
  return false;
}

void BaseExchange::deliver(std::string_view piece) {
  if (reading_ == Reading::kWhole) {
    body_ += piece;
  } else if (reading_ == Reading::kPieces && !piece.empty()) {
    const auto call = piece_;  // it may finish the exchange, which forgets it
    bool more = false;
    guarded([&] { more = call(std::string(piece)); });
    if (!more) {
      reading_ = Reading::kNothing;
      piece_ = nullptr;
    }
  }
}

void BaseExchange::body_ended() {
  if (std::exchange(body_over_, true)) return;
  if (std::exchange(reading_, Reading::kNothing) == Reading::kWhole) {
    if (const auto call = std::exchange(whole_, nullptr)) {
      guarded([&] { call(std::move(body_)); });
    }
  } else if (const auto call = std::exchange(piece_, nullptr)) {
    guarded([&] { call(std::string()); });
  }
}

// Where the reader must not be called yet: from within its own call, or before it has begun.
void BaseExchange::fail_soon(Error error) {
  reading_ = Reading::kNothing;
  post([self = shared_from_this(), error = std::move(error)] { self->body_failed(error); });
}

void BaseExchange::body_failed(Error error) {
  if (std::exchange(body_over_, true)) return;
  reading_ = Reading::kNothing;
  body_.clear();
  if (const auto call = std::exchange(whole_, nullptr)) {
    guarded([&] { call(fail(std::move(error))); });
  } else if (const auto pieces = std::exchange(piece_, nullptr)) {
    guarded([&] { pieces(fail(std::move(error))); });
  }
}

void BaseExchange::drained() {
  if (const auto call = std::exchange(drained_call_, nullptr)) guarded(call);
}

void BaseExchange::lost() {
  if (finished_ || std::exchange(gone_, true)) return;
  const auto self = shared_from_this();
  drained_call_ = nullptr;
  body_failed(client_left());
  if (const auto call = std::exchange(gone_call_, nullptr)) guarded(call);
}

void BaseExchange::let_go() {
  finished_ = true;
  reading_ = Reading::kNothing;
  // The session holds this exchange until we return: what the call-backs hold may be the last other
  // owner.
  whole_ = nullptr;
  piece_ = nullptr;
  gone_call_ = nullptr;
  drained_call_ = nullptr;
}

}  // namespace serin::net
