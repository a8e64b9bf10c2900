// SPDX-License-Identifier: Apache-2.0
#include "gateway/copy.h"

#include <utility>

#include "gateway/lane.h"
#include "telemetry/http_spans.h"

namespace serin::gateway {

std::optional<CopyRoom> CopyRoom::take(Core& core, std::shared_ptr<ServiceState> of,
                                       std::uint64_t bytes) {
  // What is taken is given back by the destructor, also where it turns out to be too much.
  const bool one_more =
      of->copies.fetch_add(1, std::memory_order_relaxed) < core.copy_limits.of_service;
  const bool so_many_bytes =
      core.copied_bytes.fetch_add(bytes, std::memory_order_relaxed) + bytes <=
      core.copy_limits.bytes;
  CopyRoom room(core, std::move(of), bytes);
  if (!one_more || !so_many_bytes) return std::nullopt;
  return room;
}

CopyRoom::~CopyRoom() {
  if (of_ == nullptr) return;
  of_->copies.fetch_sub(1, std::memory_order_relaxed);
  core_.copied_bytes.fetch_sub(bytes_, std::memory_order_relaxed);
}

Copy::Copy(Lane& lane, CopyOrder order)
    : lane_(lane), core_(lane.core()), order_(std::move(order)), since_(core_.clock.now()) {}

Copy::~Copy() {
  if (upstream_ != nullptr) upstream_->cancel();
  if (replica_ != nullptr) replica_->state->in_flight.fetch_sub(1, std::memory_order_relaxed);
}

void Copy::begin() {
  const Draw draw{lane_.random(), order_.version->state->next_turn(), order_.prefix};
  const ReplicaEntry* replica =
      order_.version->pick(order_.service->resilience.balancer, {}, draw, core_.clock.now());
  if (replica != nullptr) send(*replica);
}

void Copy::send(const ReplicaEntry& replica) {
  replica_ = &replica;
  replica.state->in_flight.fetch_add(1, std::memory_order_relaxed);
  since_ = core_.clock.now();
  telemetry::set_server(order_.span, *replica.endpoint);
  order_.span.set("serin.replica", replica.id);
  net::ResponseSink sink;
  sink.on_head = [this](net::ResponseHead head) {
    answer_ = std::move(head);
    events_ = is_event_stream(answer_.headers);
    if (order_.answers) order_.answers->of(AnswerPair::Side::kCandidate).begin(answer_.headers);
  };
  sink.on_bytes = [this](std::string_view bytes) { on_bytes(bytes); };
  sink.on_trailers = [this](const net::Headers& trailers) { trailers_ = trailers; };
  sink.on_end = [this] { on_end(); };
  sink.on_error = [this](const Error& error) { on_error(error); };
  order_.request.endpoint = replica.endpoint;
  upstream_ = core_.client->open(std::move(order_.request), std::move(sink));
}

// Workers that have come since. The version stays the same package.
void Copy::use_present_table() {
  const auto& present = lane_.table();
  if (present == order_.table) return;
  const auto place = present->find_same(order_.service->name, *order_.version);
  if (!place) return;
  order_.service = place->service;
  order_.version = place->version;
  order_.table = present;
}

void Copy::on_bytes(std::string_view bytes) {
  const Instant now = core_.clock.now();
  if (!first_byte_) first_byte_ = now;
  if (events_) meter_.add(bytes, now);
  if (order_.answers) order_.answers->of(AnswerPair::Side::kCandidate).add(bytes);
  if (order_.on_bytes) order_.on_bytes(bytes);
}

void Copy::on_end() {
  end(end_of_answer(meaning_of_status(answer_, trailers_, order_.grpc),
                    events_ ? &meter_ : nullptr));
}

void Copy::on_error(const Error& error) {
  const bool unsent = error.code == Code::kUnavailable || error.code == Code::kResourceExhausted;
  end({first_byte_ ? End::kBroken : unsent ? End::kNotConnected : End::kNoAnswer});
}

void Copy::on_tick(Instant now) {
  if (ended_) return;
  if (order_.cancel && order_.cancel->cancelled()) return end({End::kClientGone});
  if (now >= order_.deadline) return end({End::kDeadline});
  if (replica_ == nullptr) {
    use_present_table();
    begin();
  }
  if (first_byte_ || now < since_ + order_.service->resilience.first_token_timeout) return;
  end({replica_ == nullptr ? End::kNotConnected : End::kLateFirstByte});
}

void Copy::end(const TryEnd& tried) {
  if (std::exchange(ended_, true)) return;
  if (const auto upstream = std::exchange(upstream_, nullptr)) upstream->cancel();
  telemetry::end_client_span(order_.span, tried.status,
                             tried.end == End::kAnswer ? "" : name_of(tried.end));
  const Instant now = core_.clock.now();
  Ended ended{.tried = tried};
  if (replica_ != nullptr) ended.worker = replica_->worker;
  ended.took = now - order_.began;
  if (first_byte_) ended.first_byte = *first_byte_ - order_.began;
  ended.per_token = meter_.per_token();
  ended.scores = trailers_.find("serin-score").value_or(answer_.headers.get("serin-score"));
  if (order_.judged && replica_ != nullptr) {
    Attempt attempt{attempt_end_of(tried, first_byte_.has_value()), {}, ended.per_token};
    if (first_byte_) attempt.first_token = *first_byte_ - since_;
    order_.version->judge(*replica_, attempt, now);
  }
  order_.on_end(ended);
}

std::weak_ptr<Copy> Copies::send(CopyOrder order) {
  open_.push_back(std::make_shared<Copy>(lane_, std::move(order)));
  open_.back()->begin();
  return open_.back();
}

void Copies::tick(Instant now) {
  std::erase_if(open_, [](const auto& copy) { return copy->ended(); });
  for (const auto& copy : open_) copy->on_tick(now);
}

}  // namespace serin::gateway
