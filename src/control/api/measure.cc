// SPDX-License-Identifier: Apache-2.0
#include "control/api/measure.h"

#include <algorithm>
#include <array>
#include <map>
#include <utility>

#include "control/api/views.h"
#include "telemetry/server_metrics.h"

namespace serin::control::api {
namespace {

using telemetry::Labels;
using telemetry::Registry;

// One family, filled service by service.
class Family {
 public:
  Family(std::string_view name, std::string_view help) : name_(name), help_(help) {}

  void add(Labels labels, double value) { samples_.push_back({std::move(labels), value}); }
  // One series for each of the words, 1 for the one that holds.
  template <class Words>
  void add_state(const Labels& labels, std::string_view label, const Words& words,
                 std::string_view holds) {
    for (const std::string_view word : words) {
      Labels named = labels;
      named.emplace_back(label, word);
      add(std::move(named), word == holds ? 1 : 0);
    }
  }
  void give(Registry& registry) const { registry.replace(name_, help_, samples_); }

 private:
  std::string_view name_, help_;
  std::vector<Registry::Sample> samples_;
};

constexpr std::array<std::string_view, 7> kServiceStates = {
    "Starting", "Serving", "Rolling", "Paused", "RollingBack", "Degraded", "Deleting"};
constexpr std::array<std::string_view, 5> kRolloutStates = {"none", "starting", "moving", "paused",
                                                            "restoring"};
constexpr std::array<rollout::Verdict, 3> kVerdicts = {
    rollout::Verdict::kUndecided, rollout::Verdict::kSafe, rollout::Verdict::kHarmful};
constexpr std::array<platform::ReplicaState, 7> kReplicaStates = {
    platform::ReplicaState::kStarting,  platform::ReplicaState::kReady,
    platform::ReplicaState::kUnready,   platform::ReplicaState::kBackoff,
    platform::ReplicaState::kCrashLoop, platform::ReplicaState::kNoRoom,
    platform::ReplicaState::kStopping};

double seconds(Moment moment) {
  return std::chrono::duration<double>(moment.time_since_epoch()).count();
}

std::string_view rollout_state(const ServiceRecord& record) {
  if (!record.rolling()) return "none";
  const RolloutRecord& rollout = *record.rollout;
  if (rollout.phase == Phase::kRestoring) return "restoring";
  if (rollout.paused()) return "paused";
  return rollout.weight == 0 ? "starting" : "moving";
}

// ---- services and versions ----

void measure_services(Registry& registry, const std::vector<ServiceView>& views) {
  Family state{"serin_service_state", "1 for the state that the service is in."};
  Family problem{"serin_service_problem", "1 while the platform cannot do what was asked for."};
  for (const ServiceView& view : views) {
    const Labels labels{{"service", view.record.name}};
    state.add_state(labels, "state", kServiceStates, state_of(view));
    problem.add(labels, view.problem.empty() ? 0 : 1);
  }
  state.give(registry);
  problem.give(registry);
}

bool is_over(const VersionRecord& version) {
  return version.state == VersionState::kRetired || version.state == VersionState::kRolledBack;
}

void measure_versions(Registry& registry, const std::vector<ServiceView>& views) {
  Family info{"serin_version_info", "A version that is not over; always 1."};
  Family weight{"serin_version_weight_ratio", "The part of the traffic that a version gets."};
  for (const ServiceView& view : views) {
    for (const VersionRecord& version : view.record.versions) {
      if (is_over(version)) continue;
      const Labels labels{{"service", view.record.name}, {"version", version.label}};
      weight.add(labels, weight_of(view.record, version.label) / 100.0);
      Labels named = labels;
      named.emplace_back("state", name_of(version.state));
      named.emplace_back("digest", version.model.digest);
      info.add(std::move(named), 1);
    }
  }
  info.give(registry);
  weight.give(registry);
}

void measure_replicas(Registry& registry, const std::vector<ServiceView>& views) {
  Family wanted{"serin_version_replicas_wanted", "Workers that a version ought to have."};
  Family replicas{"serin_version_replicas", "Workers of a version, by what they do."};
  Family crashes{"serin_version_crashes_total",
                 "Ends of a version's workers that nobody asked for."};
  Family restarts{"serin_replica_restarts_total", "How often a worker was started again."};
  for (const ServiceView& view : views) {
    for (const platform::VersionStatus& version : view.seen.versions) {
      const Labels labels{{"service", view.record.name}, {"version", version.label}};
      wanted.add(labels, version.wanted);
      crashes.add(labels, static_cast<double>(version.crashes));
      for (const platform::ReplicaState state : kReplicaStates) {
        Labels named = labels;
        named.emplace_back("state", platform::name_of(state));
        replicas.add(std::move(named),
                     static_cast<double>(std::ranges::count(version.replicas, state,
                                                            &platform::ReplicaStatus::state)));
      }
      for (const platform::ReplicaStatus& replica : version.replicas) {
        if (replica.state == platform::ReplicaState::kNoRoom) continue;
        Labels named = labels;
        named.emplace_back("replica", replica.id);
        restarts.add(std::move(named), static_cast<double>(replica.restarts));
      }
    }
  }
  for (const Family* family : {&wanted, &replicas, &crashes, &restarts}) family->give(registry);
}

// ---- rollouts ----

void measure_rollouts(Registry& registry, const std::vector<ServiceView>& views) {
  Family state{"serin_rollout_state", "1 for the state that the service's rollout is in."};
  Family info{"serin_rollout_info", "The rollout that runs, and what it waits for; always 1."};
  Family began{"serin_rollout_began_timestamp_seconds", "When the rollout that runs began."};
  Family weight{"serin_rollout_weight_ratio",
                "The candidate's part of the traffic; 0 while no rollout runs."};
  Family next{"serin_rollout_next_step_timestamp_seconds",
              "When the next step may come, if the evidence allows it."};
  Family ended{"serin_rollout_ended_timestamp_seconds",
               "When the last rollout ended, and why; none while one runs."};
  for (const ServiceView& view : views) {
    const ServiceRecord& record = view.record;
    const Labels labels{{"service", record.name}};
    state.add_state(labels, "state", kRolloutStates, rollout_state(record));
    weight.add(labels, record.rolling() ? record.rollout->weight / 100.0 : 0);
    if (!record.rollout) continue;
    const RolloutRecord& rollout = *record.rollout;
    Labels named = labels;
    named.emplace_back("version", rollout.candidate);
    named.emplace_back("reason", rollout.reason);
    if (!rollout.running()) {
      named.emplace_back("ending", name_of(rollout.ending));
      ended.add(std::move(named), seconds(rollout.ended));
      continue;
    }
    named.emplace_back("stable", rollout.stable);
    named.emplace_back("strategy", name_of(rollout.strategy));
    info.add(std::move(named), 1);
    began.add(labels, seconds(rollout.began));
    if (const auto step = next_step_at(view)) next.add(labels, seconds(*step));
  }
  for (const Family* family : {&state, &info, &began, &weight, &next, &ended})
    family->give(registry);
}

struct AnalysisFamilies {
  Family requests{"serin_rollout_requests", "Requests counted since the rollout began."};
  Family censored{"serin_rollout_censored_requests",
                  "Requests since the rollout began that say nothing: 4xx, clients that left."};
  Family withdrawn{"serin_rollout_guarantee_withdrawn",
                   "1 while the stated error rates are not promised for this rollout."};
  Family verdict{"serin_rollout_verdict", "1 for the verdict on the candidate."};
  Family metric_verdict{"serin_rollout_metric_verdict", "1 for the verdict by this metric."};
  Family evidence{"serin_rollout_evidence_ratio",
                  "The evidence for a verdict by a metric, as a part of what it takes."};
  Family value{"serin_rollout_metric_value", "What a metric says of each arm, in its own unit."};
  Family counted{"serin_rollout_metric_requests", "Requests behind a metric's value."};

  void add(const Labels& service, const rollout::AnalysisReport& report);
  void add(const Labels& service, const rollout::MetricReport& metric);
  void give(Registry& registry) const {
    for (const Family* family :
         {&requests, &censored, &withdrawn, &verdict, &metric_verdict, &evidence, &value, &counted})
      family->give(registry);
  }
};

void add_verdict(Family& family, const Labels& labels, rollout::Verdict holds) {
  for (const rollout::Verdict verdict : kVerdicts) {
    Labels named = labels;
    named.emplace_back("verdict", rollout::name_of(verdict));
    family.add(std::move(named), verdict == holds ? 1 : 0);
  }
}

void AnalysisFamilies::add(const Labels& service, const rollout::AnalysisReport& report) {
  requests.add(service, static_cast<double>(report.requests));
  censored.add(service, static_cast<double>(report.censored));
  withdrawn.add(service, report.withdrawn.empty() ? 0 : 1);
  add_verdict(verdict, service, report.verdict);
  for (const rollout::MetricReport& metric : report.metrics) add(service, metric);
}

void AnalysisFamilies::add(const Labels& service, const rollout::MetricReport& metric) {
  Labels labels = service;
  labels.emplace_back("metric", metric.name);
  const auto with = [&](std::string_view name, std::string_view word) {
    Labels named = labels;
    named.emplace_back(name, word);
    return named;
  };
  add_verdict(metric_verdict, labels, metric.verdict);
  evidence.add(with("verdict", "harmful"), share_of(metric.evidence.harm, metric.harm_threshold));
  evidence.add(with("verdict", "safe"), share_of(metric.evidence.safe, metric.safe_threshold));
  counted.add(with("arm", "stable"), static_cast<double>(metric.stable_count));
  counted.add(with("arm", "candidate"), static_cast<double>(metric.candidate_count));
  for (const auto& [arm, seen] : {std::pair<std::string_view, double>{"stable", metric.stable},
                                  {"candidate", metric.candidate}}) {
    Labels named = with("arm", arm);
    named.emplace_back("unit", unit_of(metric.kind));
    value.add(std::move(named), seen);
  }
}

}  // namespace

void measure(Registry& registry, const std::vector<ServiceView>& views) {
  measure_services(registry, views);
  measure_versions(registry, views);
  measure_replicas(registry, views);
  measure_rollouts(registry, views);
  AnalysisFamilies analyses;
  for (const ServiceView& view : views) {
    if (view.record.rolling()) analyses.add({{"service", view.record.name}}, view.seen.report);
  }
  analyses.give(registry);
}

net::Response scraped(Controller& controller, const net::RequestHead& head) {
  std::vector<ServiceView> views;
  for (const std::string& name : controller.names()) {
    // One that was forgotten meanwhile is left out.
    if (auto view = controller.get(name)) views.push_back(std::move(*view));
  }
  Registry& registry = controller.metrics().registry();
  measure(registry, views);
  return telemetry::scraped(registry, head);
}

}  // namespace serin::control::api
