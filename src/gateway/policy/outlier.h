// SPDX-License-Identifier: Apache-2.0
// Which replicas of a version get no requests for a while because they do worse than they should
// (Envoy's outlier detection, with Istio's names). Three things eject: errors one after another, at
// once; at the end of an interval a success rate, or a time to first token, that stands out from
// the other replicas'. A replica stays away for baseEjectionTime times the number of its ejections,
// and comes back by itself. Never all of them: the last one stays.
//
// One thread. A function of what it was told: time is given.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "gateway/policy/attempt.h"
#include "gateway/policy/recent_times.h"

namespace serin::gateway {

struct OutlierLimits {
  int consecutive_5xx_errors = 5;      // 0: never
  int consecutive_gateway_errors = 0;  // 502, 503, 504 and connections; 0: never
  milliseconds interval{10'000};       // between two looks at rates and times
  milliseconds base_ejection_time{30'000};
  milliseconds max_ejection_time{300'000};
  int max_ejection_percent = 50;

  // A replica whose part of successes is below mean - factor * standard deviation of all that had
  // so many requests in the interval, where so many replicas had.
  int success_rate_minimum_hosts = 5;  // 0: never
  int success_rate_request_volume = 100;
  double success_rate_stdev_factor = 1.9;

  // A replica whose median time to first token is above factor times the median of the others'.
  double latency_factor = 5;  // 0: never
  int latency_minimum_hosts = 3;
  int latency_request_volume = 20;

  bool operator==(const OutlierLimits&) const = default;
};

enum class EjectionReason : std::uint8_t {
  kConsecutive5xx,
  kConsecutiveGatewayErrors,
  kSuccessRate,
  kLatency,
};
std::string_view name_of(EjectionReason reason);  // "consecutive_5xx" and so on

struct Ejection {
  std::string replica;
  EjectionReason reason = EjectionReason::kConsecutive5xx;
  Duration time{};
};

class Outliers {
 public:
  // From now on these are the replicas; one that was there before keeps what is known of it.
  void set(const OutlierLimits& limits, const std::vector<std::string>& replicas);

  bool ejected(std::string_view replica, Instant now) const;
  std::size_t ejected(Instant now) const;  // how many
  // A try ended; returns who was ejected because of it, or by the look at an interval that ended.
  std::vector<Ejection> ended(std::string_view replica, const Attempt& attempt, Instant now);

 private:
  struct Host {
    int consecutive_5xx = 0;
    int consecutive_gateway = 0;
    int ejections = 0;  // what multiplies the base time; an interval in service takes one away
    Instant ejected_until{};
    std::uint64_t requests = 0;  // in this interval
    std::uint64_t successes = 0;
    RecentTimes first_tokens;
  };

  void look(Instant now, std::vector<Ejection>& ejections);
  void judge_success_rates(Instant now, std::vector<Ejection>& ejections);
  void judge_latencies(Instant now, std::vector<Ejection>& ejections);
  void eject(const std::string& replica, Host& host, EjectionReason reason, Instant now,
             std::vector<Ejection>& ejections);
  void count(Host& host, const Attempt& attempt);

  OutlierLimits limits_;
  Instant looked_{};
  std::map<std::string, Host, std::less<>> hosts_;
};

}  // namespace serin::gateway
