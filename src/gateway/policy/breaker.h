// SPDX-License-Identifier: Apache-2.0
// A circuit breaker for a service (Resilience4j's, with its names and defaults). Closed, it counts
// how calls end in a sliding window; when too many failed, or were slow, it opens, and calls are
// refused without trying. After a while it is half open: some trial calls decide whether it closes
// or opens again.
//
// Slow means a late first token or slow tokens. The whole duration says only how much was asked
// for, and is not looked at. One thread; time is given.
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "gateway/policy/attempt.h"

namespace serin::gateway {

struct BreakerLimits {
  enum class Mode : std::uint8_t {
    kOn,
    kMetricsOnly,  // it goes through its states and refuses nothing
    kDisabled,
    kForcedOpen,  // everything is refused
  };
  enum class Window : std::uint8_t { kCountBased, kTimeBased };

  Mode mode = Mode::kMetricsOnly;
  Window sliding_window_type = Window::kCountBased;
  int sliding_window_size = 100;  // calls, or seconds
  int minimum_number_of_calls = 100;
  double failure_rate_threshold = 50;                 // percent, of which it opens
  double slow_call_rate_threshold = 100;              // percent
  milliseconds slow_call_duration_threshold{60'000};  // to the first token; 0: none is slow
  milliseconds slow_token_duration_threshold{0};      // per token; 0: none is slow
  milliseconds wait_duration_in_open_state{60'000};
  int permitted_number_of_calls_in_half_open_state = 10;
  milliseconds max_wait_duration_in_half_open_state{0};  // 0: as long as its trial calls take

  bool operator==(const BreakerLimits&) const = default;
};

enum class BreakerState : std::uint8_t { kClosed, kOpen, kHalfOpen };
std::string_view name_of(BreakerState state);  // "closed", "open", "half_open"

// How calls of a window ended; the newest push the oldest out.
class CallWindow {
 public:
  CallWindow(BreakerLimits::Window type, int size);

  void add(bool failed, bool slow, Instant now);
  void forget_before(Instant now);  // of a window by time, what is too old
  std::uint64_t calls() const { return sum_.calls; }
  double failure_rate() const;  // percent; 0 without calls
  double slow_rate() const;

 private:
  struct Cell {
    std::uint64_t calls = 0, failed = 0, slow = 0;
  };
  void empty_next();

  BreakerLimits::Window type_;
  std::vector<Cell> cells_;  // one for a call, or one for a second
  std::size_t newest_ = 0;
  std::int64_t second_ = 0;  // of the newest cell
  Cell sum_;
};

class Breaker {
 public:
  explicit Breaker(const BreakerLimits& limits = {});
  // What it has counted is forgotten only where the window is another.
  void set(const BreakerLimits& limits);

  // A permission for one call; must be given back once, to ended() or released(). Not `granted`:
  // refuse, with retry_after().
  struct Permit {
    bool granted = true;
    std::uint64_t era = 0;  // of the state that it was given in
  };
  Permit ask(Instant now);
  void ended(const Permit& permit, const Attempt& call, Instant now);
  void released(const Permit& permit);  // the call says nothing: it was not made, or given up

  BreakerState state(Instant now);
  Duration retry_after(Instant now) const;          // until trial calls may pass; at least a second
  std::uint64_t opened() const { return opened_; }  // how often
  double failure_rate() const { return window_.failure_rate(); }
  double slow_rate() const { return window_.slow_rate(); }

 private:
  void pass_time(Instant now);
  void enter(BreakerState state, Instant now);
  bool slow(const Attempt& call) const;
  bool too_bad() const;

  BreakerLimits limits_;
  BreakerState state_ = BreakerState::kClosed;
  std::uint64_t era_ = 1;
  Instant entered_{};
  int trials_ = 0;  // permitted in this half-open state
  std::uint64_t opened_ = 0;
  CallWindow window_;
};

}  // namespace serin::gateway
