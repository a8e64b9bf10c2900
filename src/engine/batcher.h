// SPDX-License-Identifier: Apache-2.0
// When to run what waits: a pure policy, from a snapshot of the queue and the time to one plan.
//
// The problem: a call of the model costs nearly the same for one row as for eight, so requests
// should run together; but a request that waits for company that never comes has only lost time.
// The policy therefore
//   1. drops what was cancelled or has missed its deadline, unrun;
//   2. runs requests of one shape class together, the class whose first request came first, in
//      order of arrival: a busy class cannot starve a quiet one, because the quiet one's head grows
//      old;
//   3. runs at once what fills the capacity;
//   4. otherwise waits, at most max_wait from the head's arrival, and only while company is likely:
//      Arrivals says how often a request met another one in time lately, and how far apart such
//      arrivals were. One client that sends its next request when it has the answer never meets
//      anybody and never waits.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "base/clock.h"
#include "base/error.h"

namespace serin::engine {

struct Waiting {
  std::uint64_t shape_class = 0;
  Instant arrived;
  std::optional<Instant> deadline;
  bool cancelled = false;
};

// What recent arrivals tell about the next one. Not synchronised.
class Arrivals {
 public:
  // `others`: somebody was waiting or running when this request came.
  void came(Instant now, bool others, Duration max_wait);
  // Share of recent requests that came within max_wait of another that was still there: 0 to 1.
  double company() const { return company_; }
  // How far apart those came.
  Duration gap() const { return gap_; }
  Instant last() const { return last_; }

 private:
  double company_ = 0;
  Duration gap_{0};
  Instant last_{};
};

struct BatchingRules {
  std::size_t capacity = 1;  // places that are free
  Duration max_wait{0};      // 0: never wait
};

struct BatchPlan {
  std::vector<std::size_t> expired;  // deadline missed
  std::vector<std::size_t> cancelled;
  std::vector<std::size_t> run;       // indices into the queue, in order of arrival
  std::optional<Instant> wait_until;  // set when something waits for company
};

// `queue` is in order of arrival.
BatchPlan plan_batch(std::span<const Waiting> queue, Instant now, const Arrivals& arrivals,
                     const BatchingRules& rules);

}  // namespace serin::engine
