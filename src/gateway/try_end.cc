// SPDX-License-Identifier: Apache-2.0
#include "gateway/try_end.h"

#include <charconv>

#include "gateway/split.h"
#include "net/http/status.h"

namespace serin::gateway {
namespace {

enum class Help : std::uint8_t { kNone, kElsewhere, kAnywhere };

// Where the same request may fare better.
Help help_of(const TryEnd& tried) {
  switch (tried.end) {
    case End::kAnswer:
      if (tried.status == 429) return Help::kElsewhere;
      return tried.status == 502 || tried.status == 503 ? Help::kAnywhere : Help::kNone;
    case End::kNotConnected:
    case End::kNoAnswer:
      return Help::kAnywhere;
    case End::kLateFirstByte:
      return Help::kElsewhere;
    case End::kEmpty:
    case End::kBroken:
    case End::kDeadline:
    case End::kClientGone:
      return Help::kNone;
  }
  return Help::kNone;
}

}  // namespace

std::string_view name_of(End end) {
  switch (end) {
    case End::kAnswer:
      return "answer";
    case End::kEmpty:
      return "empty";
    case End::kNotConnected:
      return "not_connected";
    case End::kNoAnswer:
      return "no_answer";
    case End::kLateFirstByte:
      return "late_first_byte";
    case End::kBroken:
      return "broken";
    case End::kDeadline:
      return "deadline";
    case End::kClientGone:
      return "client_gone";
  }
  return {};
}

std::uint16_t meaning_of_status(const net::ResponseHead& head, const net::Headers& trailers,
                                bool grpc) {
  if (!grpc || head.status != 200) return head.status;
  const auto field = trailers.find("grpc-status").value_or(head.headers.get("grpc-status"));
  int code = -1;
  std::from_chars(field.data(), field.data() + field.size(), code);
  if (code == 0) return 200;
  if (code < 1 || code > static_cast<int>(Code::kUnauthenticated)) return 502;
  return net::http_status(Error{static_cast<Code>(code), {}});
}

bool is_event_stream(const net::Headers& headers) {
  return headers.get("content-type").starts_with("text/event-stream");
}

TryEnd end_of_answer(std::uint16_t status, const TokenMeter* events) {
  TryEnd end{End::kAnswer, status};
  if (events == nullptr || status != 200) return end;
  if (events->events() == 0) end.end = End::kEmpty;
  if (events->failed()) end.end = End::kBroken;
  return end;
}

rollout::Outcome outcome_of(const TryEnd& tried) {
  using rollout::Outcome;
  if (tried.end == End::kClientGone) return Outcome::kCensored;
  if (tried.end != End::kAnswer) return Outcome::kFailed;
  if (tried.status >= 500 || tried.status == 429) return Outcome::kFailed;
  return tried.status >= 400 ? Outcome::kCensored : Outcome::kAnswered;
}

AttemptEnd attempt_end_of(const TryEnd& tried, bool had_first_byte) {
  switch (tried.end) {
    case End::kAnswer:
      return end_of_status(tried.status);
    case End::kEmpty:
      return AttemptEnd::kServerError;
    case End::kNotConnected:
    case End::kNoAnswer:
    case End::kLateFirstByte:
    case End::kBroken:
      return AttemptEnd::kGatewayError;
    case End::kDeadline:
      return had_first_byte ? AttemptEnd::kAbandoned : AttemptEnd::kGatewayError;
    case End::kClientGone:
      return AttemptEnd::kAbandoned;
  }
  return AttemptEnd::kAbandoned;
}

RetryDecision decide_retry(const Resilience& resilience, const TryEnd& tried,
                           const RetryFacts& facts, std::uint64_t random) {
  const Help help = help_of(tried);
  if (help == Help::kNone || facts.answering) return {};
  const auto no = [](std::string_view why) { return RetryDecision{false, {}, why}; };
  if (facts.made >= resilience.retry_attempts) return no("attempts");
  if (help == Help::kElsewhere && !facts.other_replica) return no("no_other_replica");
  if (!facts.body_kept) return no("body_not_kept");
  // What was never sent is sent again whatever it is.
  if (!facts.repeatable && tried.end != End::kNotConnected) return no("not_repeatable");
  if (!facts.budget) return no("budget");
  // Another replica is asked at once the first time: the one that failed says nothing about it.
  const bool at_once = facts.made == 0 && facts.other_replica;
  const Duration wait =
      at_once ? Duration::zero()
              : retry_backoff(resilience.retry_backoff, facts.made + 1, unit_interval(random));
  if (wait >= facts.left) return no("deadline");
  return {true, wait, {}};
}

}  // namespace serin::gateway
