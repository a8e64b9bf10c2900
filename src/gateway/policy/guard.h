// SPDX-License-Identifier: Apache-2.0
// Whether a request of a service may begin, and what its requests taught: the breaker, the bound on
// requests in flight (fixed and adaptive) with its priorities and fairness, shedding by deadline,
// hedging. One for each service; it outlives configurations.
//
// Safe from any thread: a lock that is held for a few hundred nanoseconds guards it.
#pragma once

#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>

#include "base/error.h"
#include "gateway/policy/breaker.h"
#include "gateway/policy/bulkhead.h"
#include "gateway/policy/concurrency.h"
#include "gateway/policy/guard_limits.h"
#include "gateway/policy/hedge.h"
#include "gateway/policy/shed.h"

namespace serin::gateway {

// What a request asks with.
struct GuardRequest {
  std::string client = {};  // whose it is; empty: not known
  Priority priority = Priority::kNormal;
  Duration first_token_within{};  // until then its first token is in time
  std::uint64_t prompt_bytes = 0;
};

class Guard {
 public:
  // What a request that began holds; given back once, to ended().
  class Entry {
   private:
    friend class Guard;
    Breaker::Permit permit_;
    std::optional<FirstTokenQueue::Ticket> waiting_;
    std::string client_;
    std::uint64_t prompt_bytes_ = 0;
    Instant began_{};
  };

  void set(const GuardLimits& limits);

  // kUnavailable with retry_after: "circuit_open", "bulkhead_full", "shed" (too late, or what is
  // left is for higher priorities). kResourceExhausted: "over_fair_share".
  Result<Entry> begin(const GuardRequest& request, Instant now);
  // The first token or byte, of whichever try.
  void first_token(Entry& entry, Instant now);
  // The request's end, over all its tries. An attempt without a first token that failed counts as
  // one that took until now.
  void ended(Entry& entry, const Attempt& whole, Instant now);

  // When a try without a byte is to be hedged, and whether it may be when that time has come.
  std::optional<Duration> hedge_delay(bool bitwise, std::size_t other_replicas);
  bool spend_hedge();

  struct Snapshot {
    BreakerState breaker = BreakerState::kClosed;
    std::uint64_t breaker_opened = 0;
    double failure_rate = 0, slow_rate = 0;  // percent
    int limit = 0;
    int in_flight = 0;
    std::size_t waiting = 0;  // for their first token
    Duration predicted_wait{};
  };
  Snapshot snapshot(Instant now);

 private:
  struct Client {
    int in_flight = 0;
    Instant asked{};  // last, with success or not
  };

  int limit() const;
  Fit fit_of(const GuardRequest& request, Instant now);
  void forget_idle_clients(Instant now);
  std::optional<Error> refusal(const GuardRequest& request, Instant now);

  std::mutex mutex_;
  GuardLimits limits_;
  Breaker breaker_;
  ConcurrencyLimit adaptive_;
  FirstTokenQueue queue_;
  Hedging hedging_;
  int in_flight_ = 0;
  std::map<std::string, Client, std::less<>> clients_;
};

}  // namespace serin::gateway
