// SPDX-License-Identifier: Apache-2.0
// Time is injected, so that everything that waits can be tested without waiting.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>

namespace serin {

using Instant = std::chrono::steady_clock::time_point;
using Duration = std::chrono::steady_clock::duration;

// Safe to call from any thread; outlives what uses it.
class Clock {
 public:
  virtual ~Clock() = default;
  virtual Instant now() const = 0;                                 // monotonic
  virtual std::chrono::system_clock::time_point wall() const = 0;  // for people and for expiry

  static const Clock& real();
};

std::int64_t unix_seconds(const Clock& clock);

// Stands still until a test moves it. Safe to call from any thread.
class ManualClock final : public Clock {
 public:
  Instant now() const override { return Instant(offset_.load()); }
  std::chrono::system_clock::time_point wall() const override;
  void advance(Duration by) { offset_.store(offset_.load() + by); }

 private:
  std::atomic<Duration> offset_{std::chrono::hours(1)};
};

}  // namespace serin
