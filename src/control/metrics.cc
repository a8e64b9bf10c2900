// SPDX-License-Identifier: Apache-2.0
#include "control/metrics.h"

#include <algorithm>

#include "telemetry/process.h"

namespace serin::control {
namespace {

// Of one pass over one service: from what nothing to do takes, to where the gateway is waited for.
constexpr telemetry::Buckets kPassSeconds{1e-5, 10, 2};

double unix_seconds_of(const Clock& clock) {
  return std::chrono::duration<double>(clock.wall().time_since_epoch()).count();
}

}  // namespace

std::string_view name_of(Telling outcome) {
  switch (outcome) {
    case Telling::kDelivered:
      return "delivered";
    case Telling::kFailed:
      return "failed";
    case Telling::kGivenUp:
      return "given_up";
    case Telling::kLost:
      return "lost";
  }
  return "";
}

Metrics::Metrics(std::string_view build, const Clock& clock, telemetry::Labels common)
    : clock_(clock),
      registry_(common),
      pass_seconds_(registry_.histogram("serin_control_pass_seconds",
                                        "One look of the control plane at one service.",
                                        kPassSeconds)),
      last_pass_(registry_.gauge("serin_control_last_pass_timestamp_seconds",
                                 "When a service was last looked at, since 1970.")) {
  if (common.empty()) telemetry::measure_process(registry_, build, clock);
}

void Metrics::passed(const std::string& service, Duration took, const Status& done) {
  const std::lock_guard lock(mutex_);
  pass_seconds_.observe(std::chrono::duration<double>(took).count());
  last_pass_.set(unix_seconds_of(clock_));
  if (done) return;
  registry_
      .counter("serin_control_pass_errors_total",
               "Looks at a service that something failed in, by the error's code.",
               {{"service", service}, {"code", std::string(name_of(done.error().code))}})
      .add();
}

void Metrics::happened(std::span<const Event> events) {
  const std::lock_guard lock(mutex_);
  for (const Event& event : events) {
    registry_
        .counter("serin_events_total", "What happened to services, by reason.",
                 {{"service", event.service},
                  {"type", event.warning ? "Warning" : "Normal"},
                  {"reason", event.reason}})
        .add();
  }
}

void Metrics::moved(const ServiceRecord& before, const ServiceRecord& after) {
  if (!after.rollout) return;
  const std::lock_guard lock(mutex_);
  const RolloutRecord& now = *after.rollout;
  const bool same = before.rollout && before.rollout->number == now.number;
  if (now.running() && now.weight > (same ? before.rollout->weight : 0)) {
    registry_
        .counter("serin_rollout_steps_total", "How often a candidate got more traffic.",
                 {{"service", after.name}})
        .add();
  }
  const bool ended = !now.running() && (!same || before.rollout->running());
  if (!ended) return;
  registry_
      .counter("serin_rollouts_total", "Rollouts that are over, by how and why they ended.",
               {{"service", after.name},
                {"strategy", std::string(name_of(now.strategy))},
                {"ending", std::string(name_of(now.ending))},
                {"reason", now.reason}})
      .add();
}

void Metrics::judged(const std::string& service, const rollout::AnalysisReport& before,
                     const rollout::AnalysisReport& now) {
  // Nothing was known before: a rollout begins, or the control plane does.
  if (before.metrics.size() != now.metrics.size()) return;
  const std::lock_guard lock(mutex_);
  for (std::size_t i = 0; i < now.metrics.size(); ++i) {
    const rollout::MetricReport& metric = now.metrics[i];
    if (metric.verdict == before.metrics[i].verdict || metric.name != before.metrics[i].name)
      continue;
    registry_
        .counter("serin_rollout_verdicts_total", "How often a metric's verdict became this one.",
                 {{"service", service},
                  {"metric", metric.name},
                  {"verdict", std::string(rollout::name_of(metric.verdict))}})
        .add();
  }
}

void Metrics::lost(const std::string& service, std::uint64_t requests) {
  const std::lock_guard lock(mutex_);
  registry_
      .counter("serin_evidence_lost_total",
               "Requests that the gateway forgot before they were counted.", {{"service", service}})
      .add(requests);
}

void Metrics::forget(const std::string& service) {
  const std::lock_guard lock(mutex_);
  registry_.drop({{"service", service}});
}

void Metrics::introduce_target(const std::string& service, const std::string& target) {
  for (const Telling outcome :
       {Telling::kDelivered, Telling::kFailed, Telling::kGivenUp, Telling::kLost})
    told(service, target, outcome, 0);
}

void Metrics::told(const std::string& service, const std::string& target, Telling outcome,
                   std::uint64_t times) {
  const std::lock_guard lock(mutex_);
  registry_
      .counter(
          "serin_notifications_total", "What came of telling a target of events.",
          {{"service", service}, {"target", target}, {"outcome", std::string(name_of(outcome))}})
      .add(times);
}

void Metrics::forget_target(const std::string& service, const std::string& target) {
  const std::lock_guard lock(mutex_);
  registry_.drop({{"service", service}, {"target", target}});
}

}  // namespace serin::control
