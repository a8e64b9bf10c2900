// SPDX-License-Identifier: Apache-2.0
// One request through the gateway, from its head to the end of its answer:
//
//   reading ──► trying ──► answering ──► ended
//                 │  ▲
//                 ▼  │ back-off, or a worker that was not there
//          waiting, awaiting
//
// It reads the body (or, of a gRPC stream, its first message), finds the service and the version,
// picks a replica and sends the request on, on its own thread. Until the first byte of an answer it
// may try another replica; from then on it passes on what comes, held up when the client is slow.
// A streamed text goes on at another replica even then (forward_stream.cc).
// What is decided is decided by pure functions (route, split, balance, try_end); here are the
// effects. Owned by its Lane, for the lane's thread.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "gateway/access/door.h"
#include "gateway/body_fields.h"
#include "gateway/lane.h"
#include "gateway/route.h"
#include "gateway/split.h"
#include "gateway/stream/continued_stream.h"
#include "gateway/token_meter.h"
#include "gateway/usage_tail.h"

namespace serin::gateway {

// Bytes that wait for the slower side before the other one is held up.
inline constexpr std::size_t kAhead = 256 * 1024;

class Forward {
 public:
  Forward(Lane& lane, std::shared_ptr<net::Exchange> exchange, std::size_t slot);
  ~Forward();

  void begin();
  void on_tick(Instant now);
  std::size_t slot() const { return slot_; }  // in the lane
  void set_slot(std::size_t slot) { slot_ = slot; }

 private:
  enum class Phase : std::uint8_t { kReading, kTrying, kWaiting, kAwaiting, kAnswering, kEnded };

  // What comes in (forward.cc)
  void take_body(Result<std::string> body);
  bool take_piece(Result<std::string> piece);
  void end_request();
  void understand_body();
  std::uint64_t new_seed();
  void take_seeded(std::optional<std::string> body);
  bool find_service(const Name& name);
  void assign();

  // Who may, and whether it may now (forward_admit.cc)
  bool knock(const Name& name);
  bool enter(const ServiceEntry& service);
  bool admit();
  bool charge();
  Priority priority() const;
  bool inject_fault();
  void settle(const TryEnd& tried, Instant now);
  void pay();
  void add_limits(net::Headers& headers) const;

  // When it cannot be served as it was meant to (forward_fallback.cc)
  bool fall_back(const TryEnd& tried);
  bool go_to_version(const std::string& label, const TryEnd& tried);
  bool go_to_service(const std::string& name, const TryEnd& tried);
  void answer_fixed(const FixedAnswer& answer, const TryEnd& tried);
  void leave(const TryEnd& tried, std::string_view to);

  // Copies of it, that it does not wait for (forward_copies.cc)
  void set_off();
  std::optional<rollout::NotCompared> why_not_copied() const;
  std::optional<CopyOrder> shadow();
  bool is_mirrored() const;
  void mirror(std::shared_ptr<const std::string> body, const std::string& target);

  // Tries (forward_tries.cc)
  void start_try();
  const ReplicaEntry* pick_replica();
  net::ClientRequest request_with(const Resilience& resilience, Duration left,
                                  const telemetry::SpanContext& trace) const;
  net::ClientRequest request_for(const ReplicaEntry& replica, const telemetry::SpanContext& trace);
  void send(const ReplicaEntry& replica);
  bool try_again(const TryEnd& tried);
  RetryDecision decide(const TryEnd& tried);
  void begin_again(const TryEnd& tried, const RetryDecision& decision);
  bool leave_silent_worker();
  void note_try(const TryEnd& tried);
  void drop_try();
  bool other_replica() const;
  bool is_assigned_version() const;

  // Until there is a worker (forward_await.cc)
  bool await_worker();
  void look_for_worker(Instant now);
  void deal_anew();
  void stop_awaiting();

  // A second try beside the first (forward_hedge.cc)
  struct Hedge {
    std::shared_ptr<net::ClientStream> upstream;
    const ReplicaEntry* replica = nullptr;
    Instant began{};
    telemetry::Span span;
  };
  void plan_hedge();
  void start_hedge();
  void hedge_head(net::ResponseHead head);
  void adopt_hedge();
  void drop_hedge();

  // The answer (forward_answer.cc)
  void on_head(net::ResponseHead head);
  void on_bytes(std::string_view bytes);
  void on_end();
  void on_error(const Error& error);
  void start_answer();
  void hold_back();
  void finish_answer();
  void break_answer(const Error& seen);
  void refuse(const Error& error, const TryEnd& tried);
  void refuse(const Error& error);
  void client_gone();

  // A streamed text that outlives its workers (forward_stream.cc)
  Status take_position();
  bool find_package();
  bool may_go_on() const;
  Status begin_stream();
  void on_continuation();
  void pass_events(std::string_view bytes, Instant now);
  void lose_worker(const Error& error);
  bool go_on();
  Duration patience() const;
  void use_present_table();

  // For scorers (forward_sample.cc)
  void begin_sample();
  void keep_for_sample(std::string_view bytes);
  void offer_sample(const EvidenceRecord& evidence);

  // The end (forward_end.cc)
  void ended(const TryEnd& tried);
  void record(const TryEnd& tried, Instant now);
  void remember();
  EvidenceRecord assigned_to(const VersionEntry& version) const;
  std::optional<rollout::Compared> comparison(const TryEnd& tried);
  void write_line(const TryEnd& tried, Instant now);

  // What its trace says (forward_trace.cc)
  void begin_span();
  void end_span(const TryEnd& tried);
  telemetry::Span span_below() const;
  telemetry::Span span_of_copy(const ServiceEntry& service, const VersionEntry& version,
                               std::string_view kind) const;
  telemetry::Span span_of_try(const ReplicaEntry& replica, std::string_view kind) const;
  std::string_view kind_of_try() const;
  void end_span_of_try(const TryEnd& tried);

  Lane& lane_;
  Core& core_;
  std::shared_ptr<net::Exchange> exchange_;
  std::shared_ptr<const Table> table_;
  std::size_t slot_;
  Phase phase_ = Phase::kReading;

  const Instant began_;
  std::optional<Duration> asked_;  // the client's own limit
  Instant deadline_ = Instant::max();
  std::string request_id_;
  telemetry::Span span_;

  // Where to
  const bool grpc_;
  const bool streamed_;  // the request's body is passed on as it comes
  HeadRoute route_;
  bool pinned_ = false;  // the client named a version
  const ServiceEntry* service_ = nullptr;
  const VersionEntry* version_ = nullptr;
  std::shared_ptr<const Table> home_table_;         // where home_ and assigned_version_ are
  const ServiceEntry* home_ = nullptr;              // where it was sent at first
  const VersionEntry* assigned_version_ = nullptr;  // the version first assigned
  Assignment assignment_;
  double weight_ = 0;                    // the candidate's, when it was assigned
  std::uint64_t rater_ = 0;              // what the evidence calls its user
  std::uint64_t named_user_ = 0;         // name_hash() of the user that a field names
  std::string user_;                     // of the body
  std::optional<std::uint64_t> prefix_;  // hash of the prompt's beginning
  double max_tokens_ = 0;                // of the body

  // Who, and what it holds until its end
  bool entered_ = false;
  bool evidence_ = true;  // how it ends says something of its version
  Pass pass_;
  std::optional<Meter::Share> share_;
  std::optional<Guard::Entry> entry_;
  Visited visited_;

  // What is sent
  std::shared_ptr<const std::string> body_;
  std::string json_length_;  // of a v2 body that was given a seed, before its tensors in binary
  std::string replay_;       // of a streamed body: what came so far, while it may be sent again
  bool replay_kept_ = true;
  bool request_ended_ = false;
  std::uint64_t bytes_in_ = 0;

  // Of a shadow rollout
  std::weak_ptr<Copy> shadow_;  // its copy, whose end is the evidence
  std::shared_ptr<AnswerPair> answers_;
  std::optional<rollout::NotCompared> not_copied_;  // why there is none

  // The present try
  std::shared_ptr<net::ClientStream> upstream_;
  const ReplicaEntry* replica_ = nullptr;
  telemetry::Span try_span_;
  std::optional<std::uint32_t> first_worker_;  // what the evidence calls the first replica
  std::vector<const ReplicaEntry*> tried_;
  Instant try_began_{};
  Instant first_byte_due_ = Instant::max();
  Instant retry_at_{};
  std::optional<Instant> await_until_;  // from when there was no worker at first
  std::optional<Hedge> hedge_;
  Instant hedge_due_ = Instant::max();
  bool hedged_ = false;  // there was one
  int retries_ = 0;
  bool failed_try_ = false;  // one that the client never saw

  // The answer
  net::ResponseHead answer_;
  net::Headers trailers_;
  bool started_ = false;  // the client has its head
  bool events_ = false;   // it is a stream of server-sent events
  bool held_back_ = false;
  std::optional<std::string> sample_;  // what came of it, where it is kept for scorers
  TokenMeter meter_;
  UsageTail usage_;
  std::optional<Instant> first_byte_;
  std::uint64_t bytes_out_ = 0;
  std::uint16_t status_ = 0;  // what the client was told, for metrics and the log

  // A streamed text
  bool one_stream_ = false;                // one answer is asked for, as events
  std::optional<StreamPosition> resumed_;  // how much of it the client has from before
  std::optional<ContinuedStream> stream_;  // once a worker has begun to give it
  std::optional<Instant> lost_at_;         // since when no worker has given any of it
  int continuations_ = 0;                  // since then
};

}  // namespace serin::gateway
