// SPDX-License-Identifier: Apache-2.0
#include "gateway/policy/guard.h"

#include <algorithm>
#include <utility>

namespace serin::gateway {
namespace {

// A client that was refused still wants its part for so long.
constexpr Duration kRemembered = std::chrono::seconds(2);
constexpr Duration kSoon = std::chrono::seconds(1);

Error refused(Code code, std::string message, std::string reason, Duration wait) {
  Error error{code, std::move(message), std::move(reason)};
  error.retry_after = std::chrono::ceil<milliseconds>(wait);
  return error;
}

std::string shown(Duration wait) {
  return std::to_string(std::chrono::ceil<milliseconds>(wait).count()) + " ms";
}

Error refused(Fit fit, int in_flight) {
  const std::string there = std::to_string(in_flight) + " requests of this service are in flight";
  switch (fit) {
    case Fit::kPriority:
      return refused(Code::kUnavailable, there + ": what is left is for higher priorities", "shed",
                     kSoon);
    case Fit::kUnfair:
      return refused(Code::kResourceExhausted,
                     there + ", and this client has its part of them already", "over_fair_share",
                     kSoon);
    default:
      return refused(Code::kUnavailable, there + ", as many as may be", "bulkhead_full", kSoon);
  }
}

}  // namespace

void Guard::set(const GuardLimits& limits) {
  const std::lock_guard lock(mutex_);
  limits_ = limits;
  breaker_.set(limits.breaker);
  adaptive_.set(limits.adaptive);
  hedging_.set(limits.hedging);
}

int Guard::limit() const {
  const int fixed = std::max(1, limits_.max_concurrent_calls);
  return limits_.adaptive.enabled ? std::min(fixed, adaptive_.limit()) : fixed;
}

void Guard::forget_idle_clients(Instant now) {
  std::erase_if(clients_, [&](const auto& client) {
    return client.second.in_flight == 0 && now - client.second.asked > kRemembered;
  });
}

Fit Guard::fit_of(const GuardRequest& request, Instant now) {
  Load load{.limit = limit(), .in_flight = in_flight_, .priority = request.priority};
  if (!request.client.empty() && in_flight_ * 2 >= load.limit) {
    forget_idle_clients(now);
    clients_[request.client].asked = now;
    load.clients = static_cast<int>(clients_.size());
    load.mine = clients_[request.client].in_flight;
  }
  return fit(load, limits_.priorities);
}

std::optional<Error> Guard::refusal(const GuardRequest& request, Instant now) {
  if (const Fit found = fit_of(request, now); found != Fit::kFits)
    return refused(found, in_flight_);
  if (!limits_.shed_deadlines) return std::nullopt;
  const auto wait =
      shed(queue_, request.first_token_within, request.priority, limits_.priorities, now);
  if (!wait) return std::nullopt;
  return refused(Code::kUnavailable,
                 "a request would now wait about " + shown(queue_.wait(now)) +
                     " for its first token, longer than this one may",
                 "shed", *wait);
}

Result<Guard::Entry> Guard::begin(const GuardRequest& request, Instant now) {
  const std::lock_guard lock(mutex_);
  if (auto error = refusal(request, now)) return fail(std::move(*error));
  Entry entry;
  // Last, so that no trial call is asked for in vain.
  entry.permit_ = breaker_.ask(now);
  if (!entry.permit_.granted)
    return fail(refused(Code::kUnavailable,
                        "too many of this service's last requests failed; it gets none for a while",
                        "circuit_open", breaker_.retry_after(now)));
  entry.client_ = request.client;
  entry.prompt_bytes_ = request.prompt_bytes;
  entry.began_ = now;
  entry.waiting_ = queue_.began(now);
  ++in_flight_;
  if (!entry.client_.empty()) ++clients_[entry.client_].in_flight;
  hedging_.began();
  return entry;
}

void Guard::first_token(Entry& entry, Instant now) {
  const std::lock_guard lock(mutex_);
  const auto ticket = std::exchange(entry.waiting_, std::nullopt);
  if (!ticket) return;
  queue_.first_token(*ticket, now);
  adaptive_.first_token(now - entry.began_, entry.prompt_bytes_, in_flight_, now);
  hedging_.first_byte(now - entry.began_);
}

void Guard::ended(Entry& entry, const Attempt& whole, Instant now) {
  const std::lock_guard lock(mutex_);
  if (const auto ticket = std::exchange(entry.waiting_, std::nullopt)) {
    queue_.gave_up(*ticket, now);
    if (is_5xx(whole.end))
      adaptive_.first_token(now - entry.began_, entry.prompt_bytes_, in_flight_, now);
  }
  if (whole.per_token) adaptive_.per_token(*whole.per_token, in_flight_, now);
  --in_flight_;
  if (const auto found = clients_.find(entry.client_); found != clients_.end()) {
    found->second.asked = now;
    if (--found->second.in_flight == 0 && clients_.size() > 64) forget_idle_clients(now);
  }
  breaker_.ended(entry.permit_, whole, now);
}

std::optional<Duration> Guard::hedge_delay(bool bitwise, std::size_t other_replicas) {
  const std::lock_guard lock(mutex_);
  return hedging_.delay(bitwise, other_replicas);
}

bool Guard::spend_hedge() {
  const std::lock_guard lock(mutex_);
  return hedging_.spend();
}

Guard::Snapshot Guard::snapshot(Instant now) {
  const std::lock_guard lock(mutex_);
  Snapshot made;
  made.breaker = breaker_.state(now);
  made.breaker_opened = breaker_.opened();
  made.failure_rate = breaker_.failure_rate();
  made.slow_rate = breaker_.slow_rate();
  made.limit = limit();
  made.in_flight = in_flight_;
  made.waiting = queue_.waiting();
  made.predicted_wait = queue_.wait(now);
  return made;
}

}  // namespace serin::gateway
