// SPDX-License-Identifier: Apache-2.0
#include "net/http/base_exchange.h"

#include <utility>

#include "base/check.h"
#include "net/http/server_context.h"

namespace serin::net {

void BaseExchange::read_body(std::function<void(Result<std::string>)> done) {
  SERIN_CHECK(!std::exchange(asked_, true));
  whole_ = std::move(done);
  reading_ = Reading::kWhole;
  if (gone_) {
    post([self = shared_from_this()] {
      self->body_failed({Code::kCancelled, "the client went away"});
    });
  } else if (!finished_) {
    body_wanted();
  }
}

void BaseExchange::read_pieces(std::function<bool(Result<std::string>)> piece) {
  SERIN_CHECK(!std::exchange(asked_, true));
  piece_ = std::move(piece);
  reading_ = Reading::kPieces;
  if (gone_) {
    post([self = shared_from_this()] {
      self->body_failed({Code::kCancelled, "the client went away"});
    });
  } else if (!finished_) {
    body_wanted();
  }
}

void BaseExchange::pause_pieces(bool paused) {
  const bool resumed = paused_ && !paused;
  paused_ = paused;
  if (resumed && reading_ != Reading::kNothing && !gone_ && !finished_) body_wanted();
}

void BaseExchange::abandon() {
  if (gone_ || finished_) return;
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

void BaseExchange::deliver(std::string_view piece) {
  if (reading_ == Reading::kWhole) {
    body_ += piece;
  } else if (reading_ == Reading::kPieces && !piece.empty()) {
    const auto call = piece_;  // it may finish the exchange, which forgets it
    if (!call(std::string(piece))) {
      reading_ = Reading::kNothing;
      piece_ = nullptr;
    }
  }
}

void BaseExchange::body_ended() {
  if (std::exchange(body_over_, true)) return;
  if (std::exchange(reading_, Reading::kNothing) == Reading::kWhole) {
    if (const auto call = std::exchange(whole_, nullptr)) call(std::move(body_));
  } else if (const auto call = std::exchange(piece_, nullptr)) {
    call(std::string());
  }
}

void BaseExchange::body_failed(Error error) {
  if (std::exchange(body_over_, true)) return;
  reading_ = Reading::kNothing;
  body_.clear();
  if (const auto call = std::exchange(whole_, nullptr)) {
    call(fail(std::move(error)));
  } else if (const auto pieces = std::exchange(piece_, nullptr)) {
    pieces(fail(std::move(error)));
  }
}

void BaseExchange::lost() {
  if (finished_ || std::exchange(gone_, true)) return;
  const auto self = shared_from_this();
  drained_call_ = nullptr;
  body_failed({Code::kCancelled, "the client went away"});
  if (const auto call = std::exchange(gone_call_, nullptr)) call();
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
