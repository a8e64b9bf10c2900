// SPDX-License-Identifier: Apache-2.0
#include "platform/gateway_config.h"

namespace serin::platform {
namespace {

bool is_bitwise(const RoutedVersion& version) {
  const RoutedReplica* first = nullptr;
  for (const RoutedReplica& replica : version.replicas) {
    if (!replica.ready && replica.profile.empty()) continue;
    if (first == nullptr) first = &replica;
    if (replica.reproducible != "bitwise" || replica.profile != first->profile) return false;
  }
  return first != nullptr && !first->profile.empty() && !version.remote;
}

gateway::Version version_of(const RoutedVersion& version) {
  gateway::Version made;
  made.label = version.label;
  made.package = version.digest;
  made.bitwise = is_bitwise(version);
  for (const RoutedReplica& replica : version.replicas) {
    if (replica.ready || replica.silent)
      made.replicas.push_back({replica.id, replica.url, replica.silent});
  }
  return made;
}

}  // namespace

Result<gateway::Service> service_of(const Traffic& traffic,
                                    const std::vector<RoutedVersion>& versions) {
  gateway::Service service;
  service.name = traffic.service;
  for (const RoutedVersion& version : versions) {
    if (version.label == traffic.stable || version.label == traffic.candidate)
      service.versions.push_back(version_of(version));
  }
  service.split.stable = traffic.stable;
  service.split.candidate = traffic.candidate;
  service.split.weight = traffic.weight / 100.0;
  service.split.salt = traffic.salt;
  service.split.sticky_by =
      traffic.by_user ? gateway::StickyBy::kUser : gateway::StickyBy::kRequest;
  service.split.user_header = traffic.user_header;
  service.split.shadow = traffic.shadow;
  service.sample = traffic.sample;
  SERIN_TRY_ASSIGN(service.resilience, gateway::read_resilience(traffic.resilience, "resilience"));
  SERIN_TRY_ASSIGN(service.access, gateway::read_access(traffic.access, "access"));
  return service;
}

}  // namespace serin::platform
