// SPDX-License-Identifier: Apache-2.0
// What is known of a request once it has ended: evidence, metrics, a line of the log.
#include "gateway/forward.h"

namespace serin::gateway {
namespace {

double seconds(Duration duration) { return std::chrono::duration<double>(duration).count(); }

}  // namespace

void Forward::ended(const TryEnd& tried) {
  if (phase_ == Phase::kEnded) return;
  stop_awaiting();
  phase_ = Phase::kEnded;
  const Instant now = core_.clock.now();
  note_try(tried);
  settle(tried, now);
  pay();
  end_span(tried);
  if (assigned_version_ != nullptr) record(tried, now);
  if (core_.log.on()) write_line(tried, now);
  drop_try();
  lane_.retire(*this);
}

void Forward::record(const TryEnd& tried, Instant now) {
  ServiceState& state = *home_->state;
  state.in_flight.fetch_sub(1, std::memory_order_relaxed);
  if (retries_ > 0) state.retries.fetch_sub(1, std::memory_order_relaxed);
  assigned_version_->state->ended(assignment_.arm, status_, now - began_);
  // Nobody drew by lot what a client chose itself, and what makes nothing says nothing.
  if (pinned_ || !evidence_ || exchange_->head().method != "POST") return;
  EvidenceRecord made = assigned_to(*assigned_version_);
  Ended ended{.tried = tried,
              .worker = first_worker_.value_or(0),
              .failed_before = failed_try_,
              .lasting = streamed_};
  ended.took = now - began_;
  if (first_byte_) ended.first_byte = *first_byte_ - began_;
  ended.per_token = meter_.per_token();
  ended.scores = trailers_.find("serin-score").value_or(answer_.headers.get("serin-score"));
  describe(ended, made);
  made.compared = comparison(tried);
  if (made.compared) state.compared(home_->split.candidate, *made.compared);
  if (made.request.outcome == rollout::Outcome::kAnswered) offer_sample(made);
  state.evidence.add(std::move(made));
}

// For feedback, which may come as soon as the client has the answer's head.
void Forward::remember() {
  if (answer_.status >= 400 || exchange_->head().method != "POST") return;
  Remembered made;
  made.served = version_->served;
  made.assigned = core_.unix_seconds(began_);
  made.weight = weight_;
  made.arm = assignment_.arm;
  made.worker = first_worker_.value_or(0);
  made.rater = rater_;
  made.client = name_hash(pass_.identity.client());
  made.user = named_user_;
  if (pinned_) {
    made.not_counted = "the request named its version";
  } else if (!is_assigned_version()) {
    made.not_counted = "another version answered than the one that was drawn";
  } else if (!evidence_) {
    made.not_counted = "the gateway was told to disturb the request";
  } else if (home_->split.shadow) {
    made.not_counted = "in a shadow rollout nobody gets the candidate's answers";
  } else if (weight_ <= 0) {
    made.not_counted = "no rollout dealt requests between versions";
  } else if (rater_ == rollout::Request::kOwnKey) {
    made.not_counted = "nobody knows whose request it was, and a user counts once";
  }
  home_->state->memory.add(request_id_, std::move(made));
}

// What is known before the end.
EvidenceRecord Forward::assigned_to(const VersionEntry& version) const {
  EvidenceRecord made;
  made.version = version.label;
  made.request.assigned = core_.unix_seconds(began_);
  made.request.arm = assignment_.arm;
  made.request.weight = weight_;
  made.request.key = assignment_.key;
  return made;
}

void Forward::write_line(const TryEnd& tried, Instant now) {
  const net::RequestHead& head = exchange_->head();
  AccessLine line;
  line.time = core_.clock.wall();
  line.id = request_id_;
  line.peer = head.peer;
  line.method = head.method;
  line.path = head.path;
  if (service_ != nullptr) line.service = service_->name;
  if (version_ != nullptr) line.version = version_->label;
  if (!tried_.empty()) line.replica = tried_.back()->id;
  line.client = pass_.identity.name();
  line.end = name_of(tried.end);
  line.status = status_;
  line.retries = static_cast<std::uint32_t>(retries_);
  line.bytes_in = bytes_in_;
  line.bytes_out = bytes_out_;
  line.seconds = seconds(now - began_);
  if (first_byte_) line.first_byte = seconds(*first_byte_ - began_);
  append_access_line(lane_.log_lines(), line);
}

}  // namespace serin::gateway
