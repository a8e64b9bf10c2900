// SPDX-License-Identifier: Apache-2.0
// What the control plane counts: its passes, events, steps and ends of rollouts, verdicts. How
// things stand is added when somebody scrapes (control/api/measure.h). A service's series go with
// it, and a target's. Safe from any thread.
#pragma once

#include <mutex>
#include <span>
#include <string>
#include <string_view>

#include "base/clock.h"
#include "control/record.h"
#include "rollout/analysis.h"
#include "telemetry/metrics.h"

namespace serin::control {

// What came of telling a target of events.
enum class Telling : std::uint8_t {
  kDelivered,
  kFailed,   // a try: there may be others
  kGivenUp,  // an event that is not tried any more
  kLost,     // events that were forgotten before it was told
};
std::string_view name_of(Telling outcome);

class Metrics {
 public:
  // `build`: the version of the program. `common` stands on every series, where a process has
  // several of these; what the process itself is like is then its own to say.
  Metrics(std::string_view build, const Clock& clock, telemetry::Labels common = {});

  telemetry::Registry& registry() { return registry_; }

  // One look at one service.
  void passed(const std::string& service, Duration took, const Status& done);
  void happened(std::span<const Event> events);
  // A transition of a service was written down.
  void moved(const ServiceRecord& before, const ServiceRecord& after);
  // What the analysis says of the running rollout, pass by pass.
  void judged(const std::string& service, const rollout::AnalysisReport& before,
              const rollout::AnalysisReport& now);
  // Requests that were forgotten before they were counted, also where there were none: an alert on
  // the increase must have seen the counter at 0.
  void lost(const std::string& service, std::uint64_t requests);
  void forget(const std::string& service);

  // A service's target is there: from now on it is counted, from 0.
  void introduce_target(const std::string& service, const std::string& target);
  void told(const std::string& service, const std::string& target, Telling outcome,
            std::uint64_t times = 1);
  void forget_target(const std::string& service, const std::string& target);

 private:
  const Clock& clock_;
  std::mutex mutex_;  // nobody counts in a series while it is forgotten
  telemetry::Registry registry_;
  telemetry::Histogram& pass_seconds_;
  telemetry::Gauge& last_pass_;
};

}  // namespace serin::control
