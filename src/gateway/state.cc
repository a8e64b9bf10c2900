// SPDX-License-Identifier: Apache-2.0
#include "gateway/state.h"

#include <algorithm>

namespace serin::gateway {
namespace {

using telemetry::Buckets;
using telemetry::Labels;

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
                                     Buckets::seconds(), of_version(service, version))) {}

Labels VersionState::labels(std::string_view name, std::string_view value) const {
  Labels made = of_version(service_, version_);
  made.emplace_back(name, value);
  return made;
}

void VersionState::ended(std::uint16_t status, Duration took) {
  seconds_.observe(std::chrono::duration<double>(took).count());
  auto& place = by_status_[std::min<std::size_t>(status, by_status_.size() - 1)];
  telemetry::Counter* counter = place.load(std::memory_order_acquire);
  if (counter == nullptr) {
    counter = &registry_.counter("serin_gateway_requests_total",
                                 "Requests by the version first assigned and the answer's status",
                                 labels("code", std::to_string(status)));
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

ServiceState::ServiceState(telemetry::Registry& registry, std::string_view service,
                           std::uint64_t first_record)
    : evidence(first_record) {
  registry.gauge_read_by("serin_gateway_in_flight", "Requests that have begun and not ended",
                         {{"service", std::string(service)}},
                         [this] { return static_cast<double>(in_flight.load()); });
}

std::shared_ptr<ServiceState>& States::service_of(std::string_view name) {
  const auto found = services_.find(name);
  if (found != services_.end()) return found->second;
  auto made = std::make_shared<ServiceState>(registry_, name, first_record_);
  return services_.emplace(name, std::move(made)).first->second;
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
