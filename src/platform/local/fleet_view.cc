// SPDX-License-Identifier: Apache-2.0
// What a Fleet tells of itself.
#include <algorithm>

#include "platform/local/fleet.h"

namespace serin::platform::local {

ReplicaState Fleet::state_of_replica(const Replica& replica) const {
  return state_of(replica.life, replica.restarts.crash_loop(), clock_.now(), options_.life);
}

ReplicaStatus Fleet::status_of(const Replica& replica) const {
  ReplicaStatus status;
  status.id = replica.record.id();
  status.state = state_of_replica(replica);
  status.pid = replica.record.process.pid;
  status.restarts = replica.record.restarts;
  if (status.state == ReplicaState::kReady) return status;
  status.message = reason_of(replica.life, clock_.now(), options_.life);
  if (status.message.empty()) status.message = replica.killed_for;
  if (status.message.empty()) status.message = replica.reason;
  if (status.message.empty()) status.message = replica.record.message;
  return status;
}

std::vector<VersionStatus> Fleet::observe(std::string_view service) const {
  std::vector<VersionStatus> all;
  for (const auto& [key, version] : versions_) {
    if (key.first != service) continue;
    const VersionSpec& spec = version.record.spec;
    VersionStatus status{spec.label, spec.model.digest, spec.replicas, version.record.crashes, {}};
    for (const auto& [serial, replica] : replicas_) {
      if (replica.record.service == spec.service && replica.record.label == spec.label)
        status.replicas.push_back(status_of(replica));
    }
    for (int i = 1; i <= version.missing; ++i) {
      status.replicas.push_back({spec.service + "-" + spec.label + "-waiting-" + std::to_string(i),
                                 ReplicaState::kNoRoom, 0, 0, version.why_missing});
    }
    all.push_back(std::move(status));
  }
  return all;
}

std::vector<std::string> Fleet::replicas_of(std::string_view service) const {
  std::vector<std::string> ids;
  for (const auto& [serial, replica] : replicas_) {
    if (replica.record.service == service) ids.push_back(replica.record.id());
  }
  return ids;
}

std::string Fleet::socket_of(std::string_view id) const {
  for (const auto& [serial, replica] : replicas_) {
    if (replica.record.id() == id) return socket_of(replica).string();
  }
  return {};
}

std::vector<RoutedVersion> Fleet::routed(std::string_view service) const {
  std::vector<RoutedVersion> all;
  for (const auto& [key, version] : versions_) {
    if (key.first != service) continue;
    const VersionSpec& spec = version.record.spec;
    RoutedVersion one{spec.label, spec.model.digest, version.record.remote, {}};
    for (const auto& [serial, replica] : replicas_) {
      const ReplicaRecord& record = replica.record;
      if (record.service != spec.service || record.label != spec.label) continue;
      const ReplicaState state = state_of_replica(replica);
      if (state == ReplicaState::kStopping) continue;
      const bool silent = state == ReplicaState::kUnready &&
                          !reason_of(replica.life, clock_.now(), options_.life).empty();
      one.replicas.push_back({record.id(), "unix:" + socket_of(replica).string() + ":",
                              record.profile, record.reproducible, state == ReplicaState::kReady,
                              silent});
    }
    all.push_back(std::move(one));
  }
  return all;
}

}  // namespace serin::platform::local
