// SPDX-License-Identifier: Apache-2.0
#include "gateway/policy/breaker.h"

#include <algorithm>

#include "gateway/policy/seconds.h"

namespace serin::gateway {
namespace {

double percent(std::uint64_t part, std::uint64_t whole) {
  return whole == 0 ? 0 : 100.0 * static_cast<double>(part) / static_cast<double>(whole);
}

bool longer(const std::optional<Duration>& time, milliseconds threshold) {
  return threshold > milliseconds(0) && time && *time > threshold;
}

}  // namespace

std::string_view name_of(BreakerState state) {
  switch (state) {
    case BreakerState::kClosed:
      return "closed";
    case BreakerState::kOpen:
      return "open";
    case BreakerState::kHalfOpen:
      return "half_open";
  }
  return "";
}

CallWindow::CallWindow(BreakerLimits::Window type, int size)
    : type_(type), cells_(static_cast<std::size_t>(std::max(1, size))) {}

void CallWindow::empty_next() {
  newest_ = (newest_ + 1) % cells_.size();
  Cell& oldest = cells_[newest_];
  sum_.calls -= oldest.calls;
  sum_.failed -= oldest.failed;
  sum_.slow -= oldest.slow;
  oldest = {};
}

void CallWindow::forget_before(Instant now) {
  if (type_ != BreakerLimits::Window::kTimeBased) return;
  const std::int64_t second = whole_seconds(now);
  const auto size = static_cast<std::int64_t>(cells_.size());
  for (auto left = std::min(second - second_, size); left > 0; --left) empty_next();
  second_ = std::max(second_, second);
}

void CallWindow::add(bool failed, bool slow, Instant now) {
  if (type_ == BreakerLimits::Window::kCountBased) empty_next();
  forget_before(now);
  for (Cell* cell : {&cells_[newest_], &sum_}) {
    cell->calls += 1;
    cell->failed += failed ? 1 : 0;
    cell->slow += slow ? 1 : 0;
  }
}

double CallWindow::failure_rate() const { return percent(sum_.failed, sum_.calls); }
double CallWindow::slow_rate() const { return percent(sum_.slow, sum_.calls); }

Breaker::Breaker(const BreakerLimits& limits)
    : limits_(limits), window_(limits.sliding_window_type, limits.sliding_window_size) {}

void Breaker::set(const BreakerLimits& limits) {
  const bool other_window = limits.sliding_window_type != limits_.sliding_window_type ||
                            limits.sliding_window_size != limits_.sliding_window_size;
  limits_ = limits;
  if (other_window && state_ != BreakerState::kHalfOpen)
    window_ = CallWindow(limits.sliding_window_type, limits.sliding_window_size);
}

void Breaker::enter(BreakerState state, Instant now) {
  state_ = state;
  entered_ = now;
  ++era_;
  trials_ = 0;
  if (state == BreakerState::kOpen) ++opened_;
  // Trial calls are judged together once all have ended.
  window_ = state == BreakerState::kHalfOpen
                ? CallWindow(BreakerLimits::Window::kCountBased,
                             limits_.permitted_number_of_calls_in_half_open_state)
                : CallWindow(limits_.sliding_window_type, limits_.sliding_window_size);
}

void Breaker::pass_time(Instant now) {
  if (state_ == BreakerState::kOpen && now - entered_ >= limits_.wait_duration_in_open_state)
    enter(BreakerState::kHalfOpen, now);
  const milliseconds most = limits_.max_wait_duration_in_half_open_state;
  if (state_ == BreakerState::kHalfOpen && most > milliseconds(0) && now - entered_ >= most)
    enter(BreakerState::kOpen, now);
}

BreakerState Breaker::state(Instant now) {
  if (limits_.mode == BreakerLimits::Mode::kForcedOpen) return BreakerState::kOpen;
  if (limits_.mode == BreakerLimits::Mode::kDisabled) return BreakerState::kClosed;
  pass_time(now);
  return state_;
}

Breaker::Permit Breaker::ask(Instant now) {
  if (limits_.mode == BreakerLimits::Mode::kDisabled) return {true, 0};
  if (limits_.mode == BreakerLimits::Mode::kForcedOpen) return {false, 0};
  pass_time(now);
  const bool fits = state_ != BreakerState::kHalfOpen ||
                    trials_ < limits_.permitted_number_of_calls_in_half_open_state;
  if (state_ != BreakerState::kOpen && fits) {
    if (state_ == BreakerState::kHalfOpen) ++trials_;
    return {true, era_};
  }
  return {limits_.mode == BreakerLimits::Mode::kMetricsOnly, 0};
}

void Breaker::released(const Permit& permit) {
  if (permit.era == era_ && state_ == BreakerState::kHalfOpen) trials_ = std::max(0, trials_ - 1);
}

bool Breaker::slow(const Attempt& call) const {
  return longer(call.first_token, limits_.slow_call_duration_threshold) ||
         longer(call.per_token, limits_.slow_token_duration_threshold);
}

bool Breaker::too_bad() const {
  return window_.failure_rate() >= limits_.failure_rate_threshold ||
         window_.slow_rate() >= limits_.slow_call_rate_threshold;
}

void Breaker::ended(const Permit& permit, const Attempt& call, Instant now) {
  if (call.end == AttemptEnd::kAbandoned) return released(permit);
  // A call of an earlier state says how things were then.
  if (permit.era != era_ || state_ == BreakerState::kOpen) return;
  window_.add(is_5xx(call.end), slow(call), now);
  if (state_ == BreakerState::kHalfOpen) {
    const auto wanted =
        static_cast<std::uint64_t>(limits_.permitted_number_of_calls_in_half_open_state);
    if (window_.calls() >= wanted)
      enter(too_bad() ? BreakerState::kOpen : BreakerState::kClosed, now);
    return;
  }
  int least = limits_.minimum_number_of_calls;
  if (limits_.sliding_window_type == BreakerLimits::Window::kCountBased)
    least = std::min(least, limits_.sliding_window_size);
  if (window_.calls() >= static_cast<std::uint64_t>(std::max(1, least)) && too_bad())
    enter(BreakerState::kOpen, now);
}

Duration Breaker::retry_after(Instant now) const {
  const Duration least = std::chrono::seconds(1);
  if (state_ != BreakerState::kOpen) return least;
  return std::max(least, limits_.wait_duration_in_open_state - (now - entered_));
}

}  // namespace serin::gateway
