// SPDX-License-Identifier: Apache-2.0
// A second try beside the first, which has given no byte for longer than most do. Who gives the
// head of an answer first is the try; the other one is cancelled. Only where every replica gives
// the same bytes.
#include <algorithm>
#include <utility>

#include "gateway/forward.h"

namespace serin::gateway {

void Forward::plan_hedge() {
  hedge_due_ = Instant::max();
  if (hedged_ || started_ || !entry_ || !repeatable(exchange_->head(), route_.target)) return;
  const std::size_t others = version_->replicas.size() - tried_.size();
  const auto delay = service_->state->guard.hedge_delay(version_->bitwise, others);
  if (delay) hedge_due_ = try_began_ + *delay;
}

void Forward::start_hedge() {
  hedge_due_ = Instant::max();
  if (hedge_ || !other_replica() || !service_->state->guard.spend_hedge()) return;
  const ReplicaEntry* replica = pick_replica();
  if (replica == nullptr || replica == replica_) return;
  hedged_ = true;
  tried_.push_back(replica);
  replica->state->in_flight.fetch_add(1, std::memory_order_relaxed);
  service_->state->hedged();
  net::ResponseSink sink;
  sink.on_head = [this](net::ResponseHead head) { hedge_head(std::move(head)); };
  // From its head on it is the try.
  sink.on_bytes = [this](std::string_view bytes) { on_bytes(bytes); };
  sink.on_trailers = [this](const net::Headers& trailers) { trailers_ = trailers; };
  sink.on_end = [this] { on_end(); };
  sink.on_error = [this](const Error& error) { hedge_ ? drop_hedge() : on_error(error); };
  telemetry::Span span = span_of_try(*replica, "hedge");
  net::ClientRequest request = request_for(*replica, span.context());
  hedge_.emplace(core_.client->open(std::move(request), std::move(sink)), replica,
                 core_.clock.now(), std::move(span));
}

void Forward::hedge_head(net::ResponseHead head) {
  // An error may be this replica's alone: the first try goes on.
  if (hedge_ && head.status >= 400) return drop_hedge();
  if (hedge_) adopt_hedge();
  on_head(std::move(head));
}

// The hedge is the try from now on.
void Forward::adopt_hedge() {
  Hedge hedge = *std::exchange(hedge_, std::nullopt);
  try_span_.event("overtaken by its hedge");
  try_span_.end();
  note_try({End::kClientGone});
  drop_try();
  first_byte_due_ = hedge.began + service_->resilience.first_token_timeout;
  upstream_ = std::move(hedge.upstream);
  replica_ = hedge.replica;
  try_began_ = hedge.began;
  try_span_ = std::move(hedge.span);
}

void Forward::drop_hedge() {
  hedge_due_ = Instant::max();
  if (!hedge_) return;
  Hedge hedge = *std::exchange(hedge_, std::nullopt);
  hedge.span.event("dropped");
  hedge.replica->state->in_flight.fetch_sub(1, std::memory_order_relaxed);
  hedge.upstream->cancel();
}

}  // namespace serin::gateway
