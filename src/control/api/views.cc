// SPDX-License-Identifier: Apache-2.0
#include "control/api/views.h"

#include <algorithm>
#include <cmath>

#include "base/log.h"
#include "rollout/agreements.h"

namespace serin::control::api {
namespace {

using platform::VersionStatus;

json::value time_json(Moment moment) {
  if (moment == Moment{}) return nullptr;
  return json::string(log::timestamp(moment));
}

json::value number_or_null(std::optional<double> number) {
  if (!number || !std::isfinite(*number)) return nullptr;
  return *number;
}

json::array replicas_json(const VersionStatus& status) {
  json::array replicas;
  for (const platform::ReplicaStatus& replica : status.replicas) {
    replicas.push_back({{"id", replica.id},
                        {"state", name_of(replica.state)},
                        {"pid", replica.pid},
                        {"restarts", replica.restarts},
                        {"message", replica.message}});
  }
  return replicas;
}

json::object lately_json(const Lately& lately) {
  return {{"requestsPerSecond", lately.rate},
          {"errorRate", lately.errors},
          {"p50", number_or_null(lately.p50)},
          {"p95", number_or_null(lately.p95)},
          {"timeToFirstTokenP95", number_or_null(lately.first_token_p95)}};
}

json::object version_json(const ServiceView& view, const VersionRecord& version) {
  json::object object{{"label", version.label},
                      {"model", version.model.source},
                      {"digest", version.model.digest},
                      {"state", name_of(version.state)},
                      {"since", time_json(version.since)},
                      {"weight", weight_of(view.record, version.label)}};
  const VersionStatus* status = view.seen.version(version.label);
  object["wanted"] = status == nullptr ? 0 : status->wanted;
  object["ready"] = status == nullptr ? 0 : status->ready();
  object["crashes"] = status == nullptr ? 0 : status->crashes;
  object["replicas"] = status == nullptr ? json::array() : replicas_json(*status);
  const auto lately = view.lately.find(version.label);
  object["traffic"] =
      lately == view.lately.end() ? json::value(nullptr) : json::value(lately_json(lately->second));
  return object;
}

json::object towards(double evidence, double threshold) {
  return {
      {"evidence", evidence}, {"threshold", threshold}, {"share", share_of(evidence, threshold)}};
}

json::object metric_json(const rollout::MetricReport& metric, double requests_per_second) {
  json::object object{{"name", metric.name},
                      {"unit", unit_of(metric.kind)},
                      {"verdict", rollout::name_of(metric.verdict)},
                      {"stable", number_or_null(metric.stable)},
                      {"candidate", number_or_null(metric.candidate)},
                      {"stableCount", metric.stable_count},
                      {"candidateCount", metric.candidate_count},
                      {"harmful", towards(metric.evidence.harm, metric.harm_threshold)},
                      {"safe", towards(metric.evidence.safe, metric.safe_threshold)}};
  object["difference"] = metric.difference
                             ? json::value{metric.difference->low, metric.difference->high}
                             : json::value(nullptr);
  object["expected"] = nullptr;
  if (metric.expected_verdict) {
    object["expected"] = {{"verdict", rollout::name_of(*metric.expected_verdict)},
                          {"requests", number_or_null(metric.expected_requests)},
                          {"text", expectation_text(metric, requests_per_second)}};
  }
  return object;
}

json::value agreements_json(const std::string& saved) {
  const auto agreements = rollout::Agreements::load(saved);
  if (!agreements) return nullptr;
  json::object not_compared;
  for (std::size_t i = 0; i < rollout::kNotComparedKinds; ++i) {
    const auto why = static_cast<rollout::NotCompared>(i);
    if (agreements->not_compared(why) > 0)
      not_compared[rollout::name_of(why)] = agreements->not_compared(why);
  }
  const rollout::Interval interval = agreements->interval();
  return json::object{{"compared", agreements->compared()},
                      {"identical", agreements->identical()},
                      {"mean", agreements->mean()},
                      {"interval", json::array{interval.low, interval.high}},
                      {"sizeRatio", agreements->size_ratio()},
                      {"notCompared", std::move(not_compared)}};
}

}  // namespace

int weight_of(const ServiceRecord& record, const std::string& label) {
  if (!record.routed) return 0;
  const bool answers = record.rolling() && record.rollout->strategy != Strategy::kShadow;
  const int candidate = answers ? record.rollout->weight : 0;
  if (label == record.stable) return 100 - candidate;
  return record.rolling() && label == record.rollout->candidate ? candidate : 0;
}

std::optional<Moment> next_step_at(const ServiceView& view) {
  if (!view.record.rolling()) return std::nullopt;
  const RolloutRecord& rollout = *view.record.rollout;
  if (!goes_by_evidence(rollout.strategy) || rollout.weight == 0) return std::nullopt;
  return rollout.weight_since + std::chrono::duration_cast<std::chrono::milliseconds>(
                                    view.manifest.rollout.canary.interval);
}

double share_of(double evidence, double threshold) {
  return threshold > 0 ? std::clamp(evidence / threshold, 0.0, 1.0) : 1;
}

std::string_view unit_of(rollout::MetricKind kind) {
  switch (kind) {
    case rollout::MetricKind::kLatency:
    case rollout::MetricKind::kTimeToFirstToken:
    case rollout::MetricKind::kTimePerOutputToken:
      return "seconds";
    case rollout::MetricKind::kScore:
    case rollout::MetricKind::kRating:
    case rollout::MetricKind::kLateScore:
      return "score";
    case rollout::MetricKind::kCrashes:
      return "count";
    case rollout::MetricKind::kErrorRate:
      break;
  }
  return "rate";
}

std::string_view state_of(const ServiceView& view) {
  const ServiceRecord& record = view.record;
  if (record.deleting) return "Deleting";
  if (!record.routed) return "Starting";
  if (record.rolling()) {
    if (record.rollout->phase == Phase::kRestoring) return "RollingBack";
    return record.rollout->paused() ? "Paused" : "Rolling";
  }
  const VersionStatus* stable = view.seen.version(record.stable);
  const bool well = stable != nullptr && stable->ready() >= stable->wanted;
  return well && view.problem.empty() ? "Serving" : "Degraded";
}

json::object to_json(const RolloutRecord& rollout) {
  return {{"number", rollout.number},
          {"candidate", rollout.candidate},
          {"stable", rollout.stable},
          {"strategy", name_of(rollout.strategy)},
          {"undo", rollout.undo},
          {"phase", name_of(rollout.phase)},
          {"weight", rollout.weight},
          {"began", time_json(rollout.began)},
          {"weightSince", time_json(rollout.weight_since)},
          {"pausedBy", rollout.paused() ? json::value(rollout.paused_by) : json::value(nullptr)},
          {"ending", name_of(rollout.ending)},
          {"ended", time_json(rollout.ended)},
          {"reason", rollout.reason},
          {"message", rollout.message},
          {"agreement", agreements_json(rollout.agreements)}};
}

json::value rollout_json(const ServiceView& view) {
  if (!view.record.rollout) return nullptr;
  json::object object = to_json(*view.record.rollout);
  json::array metrics;
  for (const rollout::MetricReport& metric : view.seen.report.metrics)
    metrics.push_back(metric_json(metric, view.seen.report.requests_per_second));
  object["verdict"] = rollout::name_of(view.seen.report.verdict);
  object["metrics"] = std::move(metrics);
  object["requests"] = view.seen.report.requests;
  object["requestsPerSecond"] = view.seen.report.requests_per_second;
  object["censored"] = view.seen.report.censored;
  object["withdrawn"] = view.seen.report.withdrawn;
  object["nextStepAt"] = time_json(next_step_at(view).value_or(Moment{}));
  return object;
}

json::object to_json(const ServiceView& view) {
  const ServiceRecord& record = view.record;
  json::array versions;
  for (const VersionRecord& version : record.versions)
    versions.push_back(version_json(view, version));
  return {{"name", record.name},
          {"state", state_of(view)},
          {"generation", record.generation},
          {"model", record.model.source},
          {"digest", record.model.digest},
          {"strategy", name_of(view.manifest.rollout.strategy)},
          {"stable", record.stable},
          {"problem", view.problem},
          {"versions", std::move(versions)},
          {"rollout", rollout_json(view)},
          {"manifest", view.manifest.document}};
}

json::object to_json(const Event& event) {
  return {{"id", event.id},
          {"time", time_json(event.time)},
          {"type", event.warning ? "Warning" : "Normal"},
          {"service", event.service},
          {"version", event.version},
          {"reason", event.reason},
          {"message", event.message}};
}

json::object to_json(const Applied& applied) {
  std::string_view change = "unchanged";
  if (applied.change == Applied::Change::kCreated) change = "created";
  if (applied.change == Applied::Change::kConfigured) change = "configured";
  return {{"name", applied.record.name},
          {"result", change},
          {"warnings", json::value_from(applied.warnings)},
          {"generation", applied.record.generation},
          {"model", applied.record.model.source},
          {"digest", applied.record.model.digest},
          {"manifest", applied.manifest}};
}

}  // namespace serin::control::api
