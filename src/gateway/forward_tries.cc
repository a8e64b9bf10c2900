// SPDX-License-Identifier: Apache-2.0
// Tries of a request: which replica, what is sent, and whether there is another.
#include <algorithm>
#include <utility>

#include "gateway/fields.h"
#include "gateway/forward.h"

namespace serin::gateway {
namespace {

// The client's own limit on a request: later than any of ours.
constexpr Duration kUnlimited = std::chrono::hours(24 * 30);
constexpr Duration kSlack = std::chrono::seconds(2);

}  // namespace

void Forward::start_try() {
  phase_ = Phase::kTrying;
  if (first_worker_) use_present_table();
  const ReplicaEntry* replica = pick_replica();
  if (replica == nullptr) {
    if (started_) return lose_worker({Code::kUnavailable, "no other worker is there"});
    Error error{Code::kUnavailable,
                "no worker of " + service_->name + " " + version_->label + " is there",
                "no_worker"};
    error.retry_after = std::chrono::seconds(1);
    if (fall_back({End::kNotConnected}) || await_worker()) return;
    if (!version_->state->had_replica) evidence_ = false;
    return refuse(error, {End::kNotConnected});
  }
  send(*replica);
}

const ReplicaEntry* Forward::pick_replica() {
  const Draw draw{lane_.random(), version_->state->next_turn(), prefix_};
  return version_->pick(service_->resilience.balancer, tried_, draw, core_.clock.now());
}

// Tables change between tries, and with them the entries: not the same one, but the same version.
bool Forward::is_assigned_version() const {
  return service_->name == home_->name && version_->label == assigned_version_->label;
}

// By the present configuration, as the next try goes by it.
bool Forward::other_replica() const {
  const auto present = lane_.table()->find_same(service_->name, *version_);
  const VersionEntry& version = present ? *present->version : *version_;
  return std::ranges::any_of(version.replicas, [&](const ReplicaEntry& replica) {
    return std::ranges::find(tried_, replica.id, &ReplicaEntry::id) == tried_.end();
  });
}

// Without its body and where it goes. `left`: of its time; zero: any.
net::ClientRequest Forward::request_with(const Resilience& resilience, Duration left,
                                         const telemetry::SpanContext& trace) const {
  const net::RequestHead& head = exchange_->head();
  net::ClientRequest request;
  request.target = route_.target;
  request.method = head.method;
  request.headers = fields_for_worker(
      head, {.request_id = request_id_, .trace = &trace, .left = left, .grpc = grpc_});
  // What was proved here is nobody's business behind.
  if (!home_->access.open()) {
    request.headers.remove("authorization");
    request.headers.remove("x-api-key");
  }
  if (!json_length_.empty()) request.headers.set("inference-header-content-length", json_length_);
  request.host = {.connections = resilience.max_connections,
                  .pending = resilience.max_pending_requests,
                  .requests_per_connection = resilience.max_requests_per_connection};
  request.http2 = grpc_;
  request.timeout = std::chrono::ceil<std::chrono::milliseconds>(
      left > Duration::zero() ? left + kSlack : kUnlimited);
  return request;
}

net::ClientRequest Forward::request_for(const ReplicaEntry& replica,
                                        const telemetry::SpanContext& trace) {
  const Duration left =
      deadline_ == Instant::max() ? Duration::zero() : deadline_ - core_.clock.now();
  net::ClientRequest request = request_with(service_->resilience, left, trace);
  request.endpoint = replica.endpoint;
  request.streamed = streamed_;
  if (!streamed_) request.shared_body = body_;
  if (may_go_on()) request.headers.set("serin-tokens", "include");
  if (stream_ && !stream_->tokens().empty()) {
    request.shared_body =
        std::make_shared<const std::string>(with_continuation(*body_, stream_->tokens()));
  }
  return request;
}

void Forward::send(const ReplicaEntry& replica) {
  replica_ = &replica;
  if (!first_worker_) first_worker_ = replica.worker;
  try_began_ = core_.clock.now();
  if (std::ranges::find(tried_, &replica) == tried_.end()) tried_.push_back(&replica);
  replica.state->in_flight.fetch_add(1, std::memory_order_relaxed);
  if (!streamed_) first_byte_due_ = try_began_ + patience();
  plan_hedge();
  net::ResponseSink sink;
  sink.on_head = [this](net::ResponseHead head) { on_head(std::move(head)); };
  sink.on_bytes = [this](std::string_view bytes) { on_bytes(bytes); };
  sink.on_trailers = [this](const net::Headers& trailers) { trailers_ = trailers; };
  sink.on_end = [this] { on_end(); };
  sink.on_error = [this](const Error& error) { on_error(error); };
  try_span_ = span_of_try(replica, kind_of_try());
  upstream_ = core_.client->open(request_for(replica, try_span_.context()), std::move(sink));
  if (!streamed_) return;
  upstream_->write(replay_);
  exchange_->pause_pieces(false);
  if (request_ended_) upstream_->finish();
}

// What the end of a try says of the replica that it was made at.
void Forward::note_try(const TryEnd& tried) {
  end_span_of_try(tried);
  if (replica_ == nullptr) return;
  const Instant now = core_.clock.now();
  Attempt attempt{attempt_end_of(tried, first_byte_.has_value()), {}, meter_.per_token()};
  // A try that goes on with another one's answer has no first byte of its own.
  if (first_byte_ && *first_byte_ >= try_began_ && !streamed_)
    attempt.first_token = *first_byte_ - try_began_;
  version_->judge(*replica_, attempt, now);
}

void Forward::drop_try() {
  drop_hedge();
  if (replica_ != nullptr) {
    replica_->state->in_flight.fetch_sub(1, std::memory_order_relaxed);
    replica_ = nullptr;
  }
  if (const auto upstream = std::exchange(upstream_, nullptr)) upstream->cancel();
  if (streamed_) exchange_->pause_pieces(false);
  first_byte_due_ = Instant::max();
  answer_ = {};
  trailers_ = {};
  if (!started_) stream_.reset();
}

// True: another try was begun, or will be.
bool Forward::try_again(const TryEnd& tried) {
  if (hedge_) {
    note_try(tried);
    failed_try_ = failed_try_ || outcome_of(tried) == rollout::Outcome::kFailed;
    adopt_hedge();
    return true;
  }
  const RetryDecision decision = decide(tried);
  if (!decision.why_not.empty()) version_->state->not_retried(decision.why_not);
  if (decision.retry) begin_again(tried, decision);
  return decision.retry;
}

RetryDecision Forward::decide(const TryEnd& tried) {
  const Instant now = core_.clock.now();
  const std::uint32_t running = home_->state->retries.load(std::memory_order_relaxed);
  const std::uint32_t requests = home_->state->in_flight.load(std::memory_order_relaxed);
  const Resilience& resilience = service_->resilience;
  RetryFacts facts;
  facts.made = retries_;
  facts.answering = started_;
  facts.repeatable = repeatable(exchange_->head(), route_.target);
  facts.body_kept = !streamed_ || replay_kept_;
  facts.other_replica = other_replica();
  facts.budget = retries_ > 0 || may_retry(resilience.retry_budget, requests, running);
  facts.left = deadline_ == Instant::max() ? kUnlimited : deadline_ - now;
  return decide_retry(resilience, tried, facts, lane_.random());
}

void Forward::begin_again(const TryEnd& tried, const RetryDecision& decision) {
  failed_try_ = failed_try_ || outcome_of(tried) == rollout::Outcome::kFailed;
  version_->state->retried(tried);
  note_try(tried);
  drop_try();
  if (retries_++ == 0) home_->state->retries.fetch_add(1, std::memory_order_relaxed);
  if (decision.wait > Duration::zero()) {
    retry_at_ = core_.clock.now() + decision.wait;
    phase_ = Phase::kWaiting;
  } else {
    start_try();
  }
}

// A worker that is stopped, or does not answer the platform, gives no first byte either. Who waits
// for one need not wait out its time, where another worker may be asked; else it may wake up yet.
bool Forward::leave_silent_worker() {
  const bool silent =
      replica_ != nullptr && replica_->state->silent.load(std::memory_order_relaxed);
  if (!silent || started_ || streamed_) return false;
  const TryEnd tried{End::kLateFirstByte};
  if (hedge_) return try_again(tried);
  const RetryDecision decision = decide(tried);
  if (decision.retry) begin_again(tried, decision);
  return decision.retry;
}

}  // namespace serin::gateway
