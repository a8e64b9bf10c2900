// SPDX-License-Identifier: Apache-2.0
// How many requests a service may have in flight, found by watching it: as long as times stay what
// they were the limit grows, when they grow it shrinks (Gradient2 of Netflix's concurrency-limits,
// with its names and defaults).
//
// That algorithm looks at the round trip, which for a generation is as long as what was asked for:
// it would throttle long answers, and miss an overload by short ones. Here it looks at the time to
// the first token, beside what prompts of about that size took before, and at the time per token.
//
// One thread; time is given.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

#include "base/clock.h"

namespace serin::gateway {

struct ConcurrencyLimits {
  bool enabled = false;
  int min_limit = 20;
  int max_limit = 200;
  int initial_limit = 20;
  double rtt_tolerance = 1.5;  // times may grow by so much before the limit shrinks
  double smoothing = 0.2;
  int queue_size = 4;                              // what the limit grows by
  std::chrono::milliseconds long_window{600'000};  // what "before" means

  bool operator==(const ConcurrencyLimits&) const = default;
};

class ConcurrencyLimit {
 public:
  explicit ConcurrencyLimit(const ConcurrencyLimits& limits = {});
  void set(const ConcurrencyLimits& limits);

  int limit() const { return static_cast<int>(limit_); }
  // A first token came, or did not within `time`. `in_flight`: how many requests there were.
  void first_token(Duration time, std::uint64_t prompt_bytes, int in_flight, Instant now);
  void per_token(Duration time, int in_flight, Instant now);

 private:
  // A slow mean of times of one kind.
  struct Usual {
    double seconds = 0;
    int count = 0;
    Instant last{};
  };
  // Short times of this window, each beside its usual one.
  struct Signal {
    double sum = 0;
    int count = 0;
    double mean() const { return count == 0 ? 0 : sum / count; }
  };

  void add(Duration time, Usual& usual, Signal& signal, int in_flight, Instant now);
  void end_window(Instant now);

  static constexpr std::size_t kSizes = 40;  // prompts of 2^n bytes

  ConcurrencyLimits limits_;
  double limit_;
  std::array<Usual, kSizes> first_tokens_{};
  Usual tokens_;
  Signal first_signal_, token_signal_;
  int most_in_flight_ = 0;
  Instant window_began_{};
};

}  // namespace serin::gateway
