// SPDX-License-Identifier: Apache-2.0
#include "gateway/state.h"

#include <algorithm>

#include "base/log.h"

namespace serin::gateway {
namespace {

using telemetry::Buckets;
using telemetry::Labels;

constexpr const char* kEvidence = ".evidence";  // a file's name after its service's

Labels of_service(std::string_view service) { return {{"service", std::string(service)}}; }

Labels of_version(std::string_view service, std::string_view version) {
  return {{"service", std::string(service)}, {"version", std::string(version)}};
}

}  // namespace

VersionState::VersionState(telemetry::Registry& registry, std::string_view service,
                           std::string_view version)
    : registry_(registry),
      service_(service),
      version_(version),
      seconds_(registry.histogram("serin_gateway_request_seconds",
                                  "Requests from their first to their last byte",
                                  Buckets::seconds(), of_version(service, version))),
      first_byte_(registry.histogram("serin_gateway_first_byte_seconds",
                                     "From a request to the first byte of its answer",
                                     Buckets::seconds(), of_version(service, version))) {
  // An alert on an increase must have seen the counter at 0.
  for (const EjectionReason reason :
       {EjectionReason::kConsecutive5xx, EjectionReason::kConsecutiveGatewayErrors,
        EjectionReason::kSuccessRate, EjectionReason::kLatency})
    ejected(reason);
}

VersionState::~VersionState() { registry_.drop(of_version(service_, version_)); }

Labels VersionState::labels(std::string_view name, std::string_view value) const {
  Labels made = of_version(service_, version_);
  made.emplace_back(name, value);
  return made;
}

void VersionState::ended(rollout::Arm arm, std::uint16_t status, Duration took) {
  seconds_.observe(std::chrono::duration<double>(took).count());
  auto& by_status = by_status_[rollout::index(arm)];
  auto& place = by_status[std::min<std::size_t>(status, by_status.size() - 1)];
  telemetry::Counter* counter = place.load(std::memory_order_acquire);
  if (counter == nullptr) {
    Labels named = labels("arm", arm == rollout::Arm::kCandidate ? "candidate" : "stable");
    named.emplace_back("code", std::to_string(status));
    counter = &registry_.counter("serin_gateway_requests_total",
                                 "Requests by the version and the arm first assigned, and the "
                                 "answer's status",
                                 std::move(named));
    place.store(counter, std::memory_order_release);
  }
  counter->add();
}

void VersionState::retried(const TryEnd& why) {
  registry_
      .counter("serin_gateway_retries_total", "Tries after the first, by what ended the one before",
               labels("after", name_of(why.end)))
      .add();
}

void VersionState::not_retried(std::string_view why) {
  registry_
      .counter("serin_gateway_not_retried_total", "Failed tries that were not repeated, and why",
               labels("reason", why))
      .add();
}

telemetry::Counter& VersionState::ejected(EjectionReason reason) {
  return registry_.counter("serin_gateway_ejections_total",
                           "Replicas that get no requests for a while",
                           labels("reason", name_of(reason)));
}

void VersionState::watch(const OutlierLimits& limits, const std::vector<std::string>& ids) {
  const std::lock_guard lock(outliers_mutex_);
  outliers_.set(limits, ids);
}

std::vector<Ejection> VersionState::tried(std::string_view replica, const Attempt& attempt,
                                          Instant now) {
  std::vector<Ejection> ejections;
  {
    const std::lock_guard lock(outliers_mutex_);
    ejections = outliers_.ended(replica, attempt, now);
  }
  for (const Ejection& ejection : ejections) {
    ejected(ejection.reason).add();
    log::warning("a replica gets no requests for a while",
                 {{"service", service_},
                  {"version", version_},
                  {"replica", ejection.replica},
                  {"reason", name_of(ejection.reason)},
                  {"seconds", std::chrono::duration<double>(ejection.time).count()}});
  }
  return ejections;
}

ServiceState::ServiceState(telemetry::Registry& registry, std::string_view service,
                           std::uint64_t first_record, std::optional<EvidenceFile> file,
                           std::size_t remembered)
    : evidence(first_record, EvidenceLog::kRecords, std::move(file)),
      memory(remembered),
      samples(first_record),
      registry_(registry),
      service_(service),
      in_flight_(registry.gauge("serin_gateway_in_flight", "Requests that have begun and not ended",
                                of_service(service))),
      breaker_state_(registry.gauge("serin_gateway_breaker_state",
                                    "The circuit: 0 closed, 1 open, 2 half open",
                                    of_service(service))),
      failure_rate_(registry.gauge("serin_gateway_breaker_failure_ratio",
                                   "Failed calls of the circuit's window, 0 to 1",
                                   of_service(service))),
      slow_rate_(registry.gauge("serin_gateway_breaker_slow_ratio",
                                "Slow calls of the circuit's window, 0 to 1", of_service(service))),
      limit_(registry.gauge("serin_gateway_concurrency_limit", "Requests that may be in flight",
                            of_service(service))),
      waiting_(registry.gauge("serin_gateway_waiting", "Requests without their first token",
                              of_service(service))),
      predicted_wait_(registry.gauge("serin_gateway_predicted_wait_seconds",
                                     "What a new request would wait for its first token",
                                     of_service(service))),
      opened_(registry.counter("serin_gateway_breaker_opened_total", "How often the circuit opened",
                               of_service(service))) {}

ServiceState::~ServiceState() { registry_.drop(of_service(service_)); }

void ServiceState::refused(std::string_view code) {
  registry_
      .counter("serin_gateway_refused_total", "Requests that did not begin, by the error's code",
               {{"service", service_}, {"code", std::string(code)}})
      .add();
}

void ServiceState::hedged() {
  registry_
      .counter("serin_gateway_hedges_total", "Second tries beside a first that gave no byte",
               of_service(service_))
      .add();
}

void ServiceState::sampled(std::string_view result) {
  registry_
      .counter("serin_gateway_samples_total", "Requests drawn for scorers, by what became of them",
               {{"service", service_}, {"result", std::string(result)}})
      .add();
}

void ServiceState::fell_back(std::string_view to) {
  registry_
      .counter("serin_gateway_fallbacks_total", "Requests that another one answered",
               {{"service", service_}, {"to", std::string(to)}})
      .add();
}

void ServiceState::mirrored(std::string_view to, std::string_view outcome) {
  registry_
      .counter("serin_gateway_mirror_total",
               "Requests drawn to be mirrored, by how their copy ended or why there was none",
               {{"service", service_}, {"to", std::string(to)}, {"outcome", std::string(outcome)}})
      .add();
}

void ServiceState::shadowed(std::string_view version, std::string_view outcome) {
  registry_
      .counter(
          "serin_gateway_shadow_total",
          "Requests drawn for the candidate of a shadow rollout, by how their copy ended or why "
          "there was none",
          {{"service", service_},
           {"version", std::string(version)},
           {"outcome", std::string(outcome)}})
      .add();
}

void ServiceState::compared(std::string_view version, const rollout::Compared& compared) {
  const auto* both = std::get_if<rollout::Comparison>(&compared);
  Labels labels = of_version(service_, version);
  if (both != nullptr)
    registry_
        .histogram("serin_gateway_shadow_agreement_ratio",
                   "How much alike both versions' answers to one request are, 0 to 1",
                   Buckets{.low = 0.01, .high = 1, .growth = 1.25}, labels)
        .observe(both->agreement);
  const std::string_view outcome = both == nullptr
                                       ? name_of(std::get<rollout::NotCompared>(compared))
                                   : both->identical ? "identical"
                                                     : "different";
  labels.emplace_back("outcome", outcome);
  registry_
      .counter("serin_gateway_shadow_compared_total",
               "Requests drawn for the candidate of a shadow rollout, by what became of comparing "
               "the answers",
               labels)
      .add();
}

void ServiceState::publish(Instant now) {
  constexpr Duration kFresh = std::chrono::milliseconds(250);
  const Duration at = now.time_since_epoch();
  Duration last = published_.load(std::memory_order_relaxed);
  if (at - last < kFresh || !published_.compare_exchange_strong(last, at)) return;
  const Guard::Snapshot seen = guard.snapshot(now);
  in_flight_.set(static_cast<double>(in_flight.load()));
  breaker_state_.set(static_cast<double>(seen.breaker));
  opened_.add(seen.breaker_opened - opened_.value());
  failure_rate_.set(seen.failure_rate / 100);
  slow_rate_.set(seen.slow_rate / 100);
  limit_.set(seen.limit);
  waiting_.set(static_cast<double>(seen.waiting));
  predicted_wait_.set(std::chrono::duration<double>(seen.predicted_wait).count());
}

std::shared_ptr<ServiceState>& States::service_of(std::string_view name) {
  const auto found = services_.find(name);
  if (found != services_.end()) return found->second;
  auto made =
      std::make_shared<ServiceState>(registry_, name, first_record_, file_of(name), remembered_);
  return services_.emplace(name, std::move(made)).first->second;
}

std::optional<EvidenceFile> States::file_of(std::string_view service) const {
  if (folder_.empty()) return std::nullopt;
  auto file = EvidenceFile::open(folder_ / (std::string(service) + kEvidence));
  if (file) return *std::move(file);
  log::error("evidence is kept in memory alone",
             {{"service", service}, {"why", file.error().message}});
  return std::nullopt;
}

// Those of services that are gone.
void States::remove_files() const {
  std::error_code problem;
  for (const auto& entry : std::filesystem::directory_iterator(folder_, problem)) {
    const std::string name = entry.path().filename();
    const std::size_t end = name.rfind(kEvidence);
    if (end != std::string::npos && !services_.contains(name.substr(0, end)))
      std::filesystem::remove(entry.path(), problem);
  }
}

std::shared_ptr<VersionState>& States::version_of(std::string_view service,
                                                  std::string_view label) {
  auto& versions = service_of(service)->versions;
  const auto found = versions.find(label);
  if (found != versions.end()) return found->second;
  auto made = std::make_shared<VersionState>(registry_, service, label);
  return versions.emplace(label, std::move(made)).first->second;
}

std::shared_ptr<ServiceState> States::service(std::string_view name) {
  const std::lock_guard lock(mutex_);
  return service_of(name);
}

std::shared_ptr<VersionState> States::version(std::string_view service, std::string_view label) {
  const std::lock_guard lock(mutex_);
  return version_of(service, label);
}

std::shared_ptr<ReplicaState> States::replica(std::string_view service, std::string_view label,
                                              std::string_view id) {
  const std::lock_guard lock(mutex_);
  auto& replicas = version_of(service, label)->replicas;
  const auto found = replicas.find(id);
  if (found != replicas.end()) return found->second;
  return replicas.emplace(id, std::make_shared<ReplicaState>()).first->second;
}

std::shared_ptr<ServiceState> States::find(std::string_view name) const {
  const std::lock_guard lock(mutex_);
  const auto found = services_.find(name);
  return found == services_.end() ? nullptr : found->second;
}

void States::prune() {
  const std::lock_guard lock(mutex_);
  std::erase_if(services_, [](const auto& entry) { return entry.second.use_count() == 1; });
  if (!folder_.empty()) remove_files();
  for (auto& [name, service] : services_) {
    for (auto& [label, version] : service->versions)
      std::erase_if(version->replicas,
                    [](const auto& entry) { return entry.second.use_count() == 1; });
    std::erase_if(service->versions, [](const auto& entry) {
      return entry.second.use_count() == 1 && entry.second->replicas.empty();
    });
  }
}

}  // namespace serin::gateway
