// SPDX-License-Identifier: Apache-2.0
// How one try ended, whose fault that was, and whether another try may help. Pure.
//
// | how it ended                                        | evidence | another try | | an answer
// below 400, whole                          | answered | no                            | | 4xx but
// 429                                         | censored | no: it would be the same      | | 429 |
// failed   | at another replica            | | 502, 503 | failed   | yes | | 500, 501, 504 | failed
// | no: it would be the same      | | no connection, or none of the answer came           | failed
// | yes                           | | no byte of the answer within the time for the first | failed
// | at another replica            | | broken after its first byte, or empty               | failed
// | no: the client has some of it | | the request's deadline                              | failed
// | no                            | | the client went away                                |
// censored | no                            |
#pragma once

#include <chrono>
#include <cstdint>
#include <string_view>

#include "base/clock.h"
#include "gateway/config.h"
#include "gateway/policy/attempt.h"
#include "gateway/token_meter.h"
#include "net/http/message.h"
#include "rollout/request.h"

namespace serin::gateway {

enum class End : std::uint8_t {
  kAnswer,        // a whole answer, whatever its status
  kEmpty,         // a stream that ended well and said nothing
  kNotConnected,  // nothing was sent
  kNoAnswer,      // it was sent, and the connection broke before the answer began
  kLateFirstByte,
  kBroken,    // after the first byte
  kDeadline,  // of the whole request
  kClientGone,
};
std::string_view name_of(End end);

struct TryEnd {
  End end = End::kAnswer;
  std::uint16_t status = 0;  // of kAnswer; a gRPC status as the HTTP status that means the same
};

// What an answer says of itself: a gRPC status as the HTTP status that means the same.
std::uint16_t meaning_of_status(const net::ResponseHead& head, const net::Headers& trailers,
                                bool grpc);
bool is_event_stream(const net::Headers& headers);
// Of an answer that came to its end. `events`: of one that is a stream of such, else null.
TryEnd end_of_answer(std::uint16_t status, const TokenMeter* events);

rollout::Outcome outcome_of(const TryEnd& tried);

// The same for what judges replicas and services (policy/). An answer that its deadline cut while
// it came was long, which is no fault.
AttemptEnd attempt_end_of(const TryEnd& tried, bool had_first_byte);

struct RetryFacts {
  int made = 0;                // retries so far
  bool answering = false;      // the client has a byte already
  bool repeatable = true;      // sending it twice makes nothing twice
  bool body_kept = true;       // all of it can be sent again
  bool other_replica = false;  // there is one that was not tried
  bool budget = true;          // the service's retry budget has room
  Duration left{};             // until the request's deadline
};

struct RetryDecision {
  bool retry = false;
  Duration wait{};           // before the next try
  std::string_view why_not;  // for the metric of retries that were not made; empty: none was due
};

// `random`: uniform; the wait is drawn by it.
RetryDecision decide_retry(const Resilience& resilience, const TryEnd& tried,
                           const RetryFacts& facts, std::uint64_t random);

}  // namespace serin::gateway
