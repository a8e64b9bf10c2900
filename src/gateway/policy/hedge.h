// SPDX-License-Identifier: Apache-2.0
// When a second try is sent while the first still waits for its first byte, so that one slow
// replica does not make a slow answer. After the time that most first bytes come within; only where
// every replica gives the same bytes; and never more than a share of all requests, so that a slow
// service is not made slower.
//
// One thread; no time is read.
#pragma once

#include <cstddef>
#include <optional>

#include "base/clock.h"
#include "gateway/policy/attempt.h"
#include "gateway/policy/recent_times.h"

namespace serin::gateway {

// Finagle's BackupRequestFilter has maxExtraLoad.
struct HedgeLimits {
  double quantile = 0.95;      // of the times to the first byte
  double max_extra_load = 0;   // hedges are at most such a part of the requests; 0: none
  milliseconds min_delay{10};  // never sooner
  bool operator==(const HedgeLimits&) const = default;
};

class Hedging {
 public:
  void set(const HedgeLimits& limits) { limits_ = limits; }

  void began();  // a request: it earns a part of a hedge
  void first_byte(Duration time) { times_.add(time); }
  // How long to wait before a hedge; none where there is to be none. `bitwise` as of the version,
  // `others`: replicas that were not tried.
  std::optional<Duration> delay(bool bitwise, std::size_t others) const;
  // The wait is over and there is no byte yet: true spends one hedge of the budget.
  bool spend();

 private:
  static constexpr double kFewest = 50;     // times, before a quantile is believed
  static constexpr double kMostSaved = 10;  // hedges that a quiet time may save up

  HedgeLimits limits_;
  double saved_ = 0;
  RecentTimes times_;
};

}  // namespace serin::gateway
