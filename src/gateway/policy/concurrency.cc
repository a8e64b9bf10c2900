// SPDX-License-Identifier: Apache-2.0
#include "gateway/policy/concurrency.h"

#include <algorithm>
#include <bit>
#include <cmath>

#include "gateway/policy/seconds.h"

namespace serin::gateway {
namespace {

constexpr int kWarmUp = 10;                            // first times are averaged plainly
constexpr Duration kWindow = std::chrono::seconds(1);  // between two changes of the limit, at least
constexpr int kFewest = 10;                            // times in a window
constexpr double kShortest = 1e-6;                     // seconds: nothing is divided by zero

}  // namespace

ConcurrencyLimit::ConcurrencyLimit(const ConcurrencyLimits& limits)
    : limits_(limits), limit_(limits.initial_limit) {}

void ConcurrencyLimit::set(const ConcurrencyLimits& limits) {
  if (limits.enabled && !limits_.enabled) limit_ = limits.initial_limit;
  limits_ = limits;
  limit_ = std::clamp<double>(limit_, limits.min_limit, limits.max_limit);
}

void ConcurrencyLimit::first_token(Duration time, std::uint64_t prompt_bytes, int in_flight,
                                   Instant now) {
  const auto size = std::min<std::size_t>(std::bit_width(prompt_bytes), kSizes - 1);
  add(time, first_tokens_[size], first_signal_, in_flight, now);
}

void ConcurrencyLimit::per_token(Duration time, int in_flight, Instant now) {
  add(time, tokens_, token_signal_, in_flight, now);
}

void ConcurrencyLimit::add(Duration time, Usual& usual, Signal& signal, int in_flight,
                           Instant now) {
  const double seconds = std::max(to_seconds(time), kShortest);
  if (usual.count < kWarmUp) {
    usual.seconds = (usual.seconds * usual.count + seconds) / (usual.count + 1);
    ++usual.count;
  } else {
    const double passed = to_seconds(now - usual.last) / to_seconds(limits_.long_window);
    usual.seconds += (seconds - usual.seconds) * (1 - std::exp(-passed));
  }
  usual.last = now;
  signal.sum += seconds / usual.seconds;
  ++signal.count;
  most_in_flight_ = std::max(most_in_flight_, in_flight);
  if (window_began_ == Instant{}) window_began_ = now;
  if (now - window_began_ >= kWindow && first_signal_.count + token_signal_.count >= kFewest)
    end_window(now);
}

void ConcurrencyLimit::end_window(Instant now) {
  const double ratio = std::max({first_signal_.mean(), token_signal_.mean(), kShortest});
  // Times were long and are short again: what is usual must not stay up for minutes.
  if (ratio < 0.5) {
    for (Usual& usual : first_tokens_) usual.seconds *= 0.95;
    tokens_.seconds *= 0.95;
  }
  // A limit that is not reached is neither too high nor too low.
  if (most_in_flight_ * 2 >= limit()) {
    const double gradient = std::clamp(limits_.rtt_tolerance / ratio, 0.5, 1.0);
    const double wanted = limit_ * gradient + limits_.queue_size;
    limit_ = std::clamp<double>(limit_ + (wanted - limit_) * limits_.smoothing, limits_.min_limit,
                                limits_.max_limit);
  }
  first_signal_ = token_signal_ = {};
  most_in_flight_ = 0;
  window_began_ = now;
}

}  // namespace serin::gateway
