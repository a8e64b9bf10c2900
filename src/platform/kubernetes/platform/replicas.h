// SPDX-License-Identifier: Apache-2.0
// What a cluster has of a service's versions, as what a Platform says of them. Pure.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "platform/kubernetes/client/object_cache.h"
#include "platform/platform.h"

namespace serin::platform::kubernetes {

// The container of a pod that is the worker; a mesh adds others.
inline constexpr std::string_view kWorkerContainer = "worker";

// | the pod                                           | state      | its message                |
// | is being deleted                                  | kStopping  |                            |
// | has no node that has room (Unschedulable)         | kNoRoom    | the scheduler's            |
// | its worker ended: for the third time, each soon   | kCrashLoop | the worker's last words    |
// | else                                              | kBackoff   | the same                   |
// | its image cannot be had, or not be started        | kBackoff   | the kubelet's              |
// | is Ready                                          | kReady     |                            |
// | has started, and is not Ready                     | kUnready   | the kubelet's              |
// | anything else                                     | kStarting  | what is being waited for   |
ReplicaStatus replica_of(const json::value& pod);

// How often its worker has ended by itself.
std::uint64_t ends_of(const json::value& pod);

// Of a namespace, those of one service.
std::vector<Object> of_service(const ObjectCache& cache, const std::string& name_space,
                               std::string_view service);
// What an object says of itself; empty: nothing.
std::string_view label_of(const json::value& object);   // of its version
std::string_view digest_of(const json::value& object);  // of its package
// A condition of any object; null where it has none of that type.
const json::value* condition_of(const json::value& object, std::string_view type);
// Whether the cluster sends requests to a pod; one that is going gets none.
bool takes_requests(const json::value& pod);

// Ends of one version's workers. A pod that goes takes its number with it, so the largest of each
// is kept here; what pods had that went before this process began is not known.
class EndCount {
 public:
  // `ends` of every pod that there is, by uid.
  std::uint64_t take(const std::map<std::string, std::uint64_t>& ends);

 private:
  std::map<std::string, std::uint64_t> living_;
  std::uint64_t gone_ = 0;
};

// What was asked for of a version, which the caches may not show yet.
struct Wanted {
  std::string digest;
  int replicas = 0;
};

// Every version that is wanted, has a Deployment or has pods, by label. `deployments` and `pods`
// are the service's; `ends` is gone on with.
std::vector<VersionStatus> versions_of(const std::map<std::string, Wanted>& wanted,
                                       const std::vector<Object>& deployments,
                                       const std::vector<Object>& pods,
                                       std::map<std::string, EndCount>& ends);

}  // namespace serin::platform::kubernetes
