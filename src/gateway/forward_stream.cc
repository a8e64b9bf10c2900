// SPDX-License-Identifier: Apache-2.0
// A streamed text that outlives its workers, and the gateway that it began at
// (stream/continued_stream.h).
#include <algorithm>
#include <charconv>

#include "gateway/forward.h"

namespace serin::gateway {
namespace {

// A worker that was lost may have been the last one: the waits grow until its successor is there.
constexpr int kMostDoublings = 6;

std::uint64_t seed_of(const net::ResponseHead& answer) {
  const std::string_view field = answer.headers.get("serin-seed");
  std::uint64_t seed = 0;
  std::from_chars(field.data(), field.data() + field.size(), seed);
  return seed;
}

// Whether the answer is of the generation that a position names.
bool same_generation(const net::ResponseHead& answer, const StreamPosition& position) {
  return short_package(answer.headers.get("serin-package")) == position.package &&
         short_profile(answer.headers.get("serin-profile")) == position.profile &&
         seed_of(answer) == position.seed;
}

}  // namespace

// Where a client that comes back was.
Status Forward::take_position() {
  const auto field = exchange_->head().headers.find("last-event-id");
  if (!one_stream_ || !field) return {};
  resumed_ = read_event_id(*field);
  if (!resumed_)
    return invalid("Last-Event-ID is no id of an event that this gateway sends", "Last-Event-ID");
  return {};
}

// The version that began the answer. False: the client was told that there is none.
bool Forward::find_package() {
  const auto began = std::ranges::find_if(service_->versions, [&](const VersionEntry& version) {
    return short_package(version.package) == resumed_->package;
  });
  if (began != service_->versions.end()) version_ = &*began;
  if (version_ != nullptr && began != service_->versions.end() && may_go_on()) {
    pinned_ = true;
    return true;
  }
  const std::string name = std::exchange(service_, nullptr)->name;
  version_ = nullptr;
  refuse(Error{Code::kNotFound,
               "the version of " + name +
                   " that began this answer is not served any more: send the request anew, without "
                   "Last-Event-ID",
               "stream_gone", "Last-Event-ID"});
  return false;
}

bool Forward::may_go_on() const {
  return one_stream_ && version_ != nullptr && version_->bitwise &&
         service_->resilience.resume_streams;
}

// The first worker's head says which generation it is.
Status Forward::begin_stream() {
  if (!may_go_on() || answer_.status != 200 || !events_) return {};
  const bool asked_tokens = exchange_->head().headers.get("serin-tokens") == "include";
  if (resumed_) {
    if (!same_generation(answer_, *resumed_)) {
      return fail(Error{Code::kAborted,
                        "this would be another answer than the one that broke off: the seed, the "
                        "package or the kind of machine is another one",
                        "stream_changed", "Last-Event-ID"});
    }
    stream_.emplace(*resumed_, asked_tokens);
  } else if (answer_.headers.get("serin-reproducible") == "bitwise") {
    stream_.emplace(short_package(answer_.headers.get("serin-package")),
                    short_profile(answer_.headers.get("serin-profile")), seed_of(answer_),
                    asked_tokens);
  }
  return {};
}

void Forward::on_continuation() {
  const bool fits =
      answer_.status == 200 && events_ && same_generation(answer_, stream_->position());
  if (!fits) lose_worker({Code::kAborted, "no other worker could go on with it"});
}

void Forward::pass_events(std::string_view bytes, Instant now) {
  std::string out;
  const Status taken = stream_->feed(bytes, out);
  first_byte_due_ = now + service_->resilience.first_token_timeout;
  if (!out.empty()) {
    start_answer();
    keep_for_sample(out);
    meter_.add(out, now);
    bytes_out_ += out.size();
    if (answers_) answers_->of(AnswerPair::Side::kStable).add(out);
    exchange_->write(out);
    if (std::exchange(lost_at_, std::nullopt)) tried_ = {replica_};
    continuations_ = 0;
    if (exchange_->unsent() > kAhead) hold_back();
  }
  if (!taken) lose_worker(taken.error());
}

// The present try will give no more of the answer.
void Forward::lose_worker(const Error& error) {
  if (!started_) {
    if (const auto upstream = std::exchange(upstream_, nullptr)) upstream->cancel();
    return on_error(error);
  }
  if (stream_ && stream_->ended()) {
    upstream_ = nullptr;
    finish_answer();
    return ended({End::kAnswer, status_});
  }
  if (go_on()) return;
  break_answer({Code::kUnavailable, "the answer broke off: " + error.message, "stream_broken"});
  ended({End::kBroken});
}

// Until the first byte of a try. Who goes on has to make what there is already once more, which may
// take as long as it took.
Duration Forward::patience() const {
  const Duration usual = service_->resilience.first_token_timeout;
  return lost_at_ && first_byte_ ? usual + 2 * (*lost_at_ - *first_byte_) : usual;
}

// True: another worker goes on with the answer, or will. Two of them may fail to.
bool Forward::go_on() {
  if (!stream_) return false;
  const Instant now = core_.clock.now();
  if (!lost_at_) lost_at_ = now;
  if (now >= *lost_at_ + 2 * patience()) return false;
  failed_try_ = true;
  version_->state->retried({End::kBroken});
  if (retries_++ == 0) home_->state->retries.fetch_add(1, std::memory_order_relaxed);
  note_try({End::kBroken});
  drop_try();
  stream_->go_on();
  use_present_table();
  phase_ = Phase::kWaiting;
  retry_at_ = now;
  if (!other_replica()) {
    const int doublings = std::min(continuations_++, kMostDoublings);
    retry_at_ += service_->resilience.retry_backoff * (1 << doublings);
  }
  return true;
}

// Workers that have come since the request began. The version stays the same package.
void Forward::use_present_table() {
  const auto& present = lane_.table();
  if (present == table_) return;
  const auto place = present->find_same(service_->name, *version_);
  if (!place) return;
  std::vector<const ReplicaEntry*> tried;
  for (const ReplicaEntry& replica : place->version->replicas) {
    const auto is_it = [&](const ReplicaEntry* one) { return one->id == replica.id; };
    if (std::ranges::any_of(tried_, is_it)) tried.push_back(&replica);
  }
  service_ = place->service;
  version_ = place->version;
  table_ = present;
  tried_ = std::move(tried);
}

}  // namespace serin::gateway
