// SPDX-License-Identifier: Apache-2.0
// The answer of a try on its way to the client, and what the client is told where there is none.
#include <utility>

#include "base/last_resort.h"
#include "gateway/fields.h"
#include "gateway/forward.h"
#include "gateway/own_answers.h"
#include "net/grpc/frame.h"
#include "net/http/error_body.h"
#include "net/http/status.h"

namespace serin::gateway {
namespace {

constexpr std::uint16_t kClientClosedRequest = 499;  // as workers count it

// What the failure of a try means to the client, where no other try helped.
Error as_seen_by_client(const TryEnd& tried, const Error& error) {
  switch (tried.end) {
    case End::kLateFirstByte:
    case End::kDeadline:
      return error;
    case End::kNotConnected: {
      Error seen{Code::kUnavailable, "the worker could not be reached: " + error.message,
                 error.reason.empty() ? "worker_unreachable" : error.reason};
      seen.retry_after = std::chrono::seconds(1);
      return seen;
    }
    default:
      return {Code::kUnavailable, "the worker gave no whole answer: " + error.message,
              "bad_upstream"};
  }
}

}  // namespace

void Forward::on_head(net::ResponseHead head) {
  answer_ = std::move(head);
  events_ = is_event_stream(answer_.headers);
  if (stream_ && started_) return on_continuation();
  if (answers_) answers_->of(AnswerPair::Side::kStable).begin(answer_.headers);
  const TryEnd so_far{End::kAnswer, answer_.status};
  if (answer_.status >= 400 && try_again(so_far)) return;
  drop_hedge();
  if ((answer_.status >= 500 || answer_.status == 429) && fall_back(so_far)) return;
  if (const auto begun = begin_stream(); !begun) return refuse(begun.error());
  // Who sends messages to and fro may wait for the head before it sends more.
  if (streamed_ && !answer_.headers.find("grpc-status")) start_answer();
}

void Forward::start_answer() {
  if (std::exchange(started_, true)) return;
  phase_ = Phase::kAnswering;
  replay_kept_ = false;
  replay_ = {};
  status_ = answer_.status;
  change_answer(answer_.headers, request_id_, version_->label);
  add_limits(answer_.headers);
  remember();
  begin_sample();
  exchange_->start({answer_.status, answer_.headers});
}

void Forward::on_bytes(std::string_view bytes) {
  const Instant now = core_.clock.now();
  if (!first_byte_) {
    first_byte_ = now;
    span_.event("first byte");
    version_->state->first_byte(now - began_);
    if (entry_) service_->state->guard.first_token(*entry_, now);
  }
  if (share_) usage_.add(bytes);
  if (stream_) return pass_events(bytes, now);
  start_answer();
  keep_for_sample(bytes);
  if (events_) meter_.add(bytes, now);
  bytes_out_ += bytes.size();
  if (answers_) answers_->of(AnswerPair::Side::kStable).add(bytes);
  exchange_->write(bytes);
  if (exchange_->unsent() > kAhead) hold_back();
}

// The client takes less than the worker sends.
void Forward::hold_back() {
  if (std::exchange(held_back_, true)) return;
  upstream_->pause(true);
  exchange_->on_drained([this] {
    held_back_ = false;
    if (upstream_ != nullptr) upstream_->pause(false);
  });
}

void Forward::on_end() {
  if (stream_ && !stream_->ended())
    return lose_worker({Code::kAborted, "its worker ended it before its end"});
  TryEnd tried =
      end_of_answer(meaning_of_status(answer_, trailers_, grpc_), events_ ? &meter_ : nullptr);
  if (stream_ && stream_->failed()) tried.end = End::kBroken;
  // Another answer's status was looked at with its head.
  if (grpc_ && !started_ && try_again(tried)) return;
  upstream_ = nullptr;
  finish_answer();
  ended(tried);
}

void Forward::finish_answer() {
  status_ = meaning_of_status(answer_, trailers_, grpc_);
  if (started_) return exchange_->finish(trailers_);
  if (trailers_.size() > 0) {
    start_answer();
    return exchange_->finish(trailers_);
  }
  // Without a body the head ends the answer, which is how gRPC says that a call failed at once.
  change_answer(answer_.headers, request_id_, version_->label);
  add_limits(answer_.headers);
  exchange_->respond({answer_.status, answer_.headers, {}});
}

void Forward::on_error(const Error& error) {
  upstream_ = nullptr;
  if (started_) return lose_worker(error);
  const bool unsent = error.code == Code::kUnavailable || error.code == Code::kResourceExhausted;
  const TryEnd tried{unsent ? End::kNotConnected : End::kNoAnswer};
  if (error.code != Code::kCancelled && (try_again(tried) || fall_back(tried))) return;
  refuse(as_seen_by_client(tried, error), tried);
}

// The client has some of an answer that does not go on.
void Forward::break_answer(const Error& seen) {
  if (grpc_) {
    return exchange_->finish({{"grpc-status", std::to_string(static_cast<int>(seen.code))},
                              {"grpc-message", net::grpc::encode_message(seen.message)}});
  }
  // Of a stream that another worker was to go on with, the last head may be an error's.
  if (!events_ && !stream_) return exchange_->abort();
  exchange_->write(net::error_event(seen));
  exchange_->finish();
}

void Forward::refuse(const Error& error, const TryEnd& tried) {
  status_ = net::http_status(error);
  span_.set("serin.error", net::error_code(error));
  answer_error(*exchange_, error, request_id_);
  ended(tried);
}

// For what is the client's own doing, or is known before any try.
void Forward::refuse(const Error& error) { refuse(error, {End::kAnswer, net::http_status(error)}); }

void Forward::client_gone() {
  if (phase_ == Phase::kEnded) return;
  // Of a request that was given up it says as little as the request.
  if (const auto copy = shadow_.lock()) copy->end({End::kClientGone});
  status_ = kClientClosedRequest;
  ended({End::kClientGone});
}

void Forward::on_tick(Instant now) {
  if (phase_ == Phase::kReading || phase_ == Phase::kEnded) return;
  if (now >= deadline_) {
    const auto took = std::chrono::duration_cast<std::chrono::milliseconds>(deadline_ - began_);
    const Error late{Code::kDeadlineExceeded,
                     "the request was not answered within " + std::to_string(took.count()) + " ms"};
    if (!started_) return refuse(late, {End::kDeadline});
    break_answer(late);
    return ended({End::kDeadline});
  }
  if (phase_ == Phase::kWaiting) {
    if (now >= retry_at_) start_try();
    return;
  }
  if (phase_ == Phase::kAwaiting) return look_for_worker(now);
  if (held_back_) return;
  if (leave_silent_worker()) return;
  if (!started_ && now >= hedge_due_) start_hedge();
  if (now < first_byte_due_) return;
  if (started_) {
    if (stream_) lose_worker({Code::kDeadlineExceeded, "its worker gives no more of it"});
    return;
  }
  const TryEnd tried{End::kLateFirstByte};
  if (try_again(tried) || fall_back(tried)) return;
  refuse(Error{Code::kDeadlineExceeded,
               "the worker gave no byte of an answer within " +
                   std::to_string(service_->resilience.first_token_timeout.count()) + " ms",
               "late_first_byte"},
         tried);
}

}  // namespace serin::gateway
