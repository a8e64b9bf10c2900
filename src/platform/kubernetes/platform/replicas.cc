// SPDX-License-Identifier: Apache-2.0
#include "platform/kubernetes/platform/replicas.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "platform/kubernetes/client/time.h"
#include "platform/kubernetes/objects/names.h"

namespace serin::platform::kubernetes {
namespace {

// As on a laptop (base/restarts.h): so many ends are no accident any more.
constexpr std::uint64_t kCrashLoop = 3;
// After a run of this length a kubelet begins anew with its waits.
constexpr std::chrono::minutes kGoodRun{10};

std::string at(const json::value& value, std::string_view pointer) {
  return std::string(text_at(value, pointer));
}

std::uint64_t number_at(const json::value& value, std::string_view pointer) {
  const json::value* found = value_at(value, pointer);
  if (found == nullptr || !found->is_number()) return 0;
  boost::system::error_code wrong;
  const auto number = found->to_number<std::uint64_t>(wrong);
  return wrong ? 0 : number;
}

// One of a list of objects; null where there is none.
const json::value* find_in(const json::value& object, std::string_view list, std::string_view key,
                           std::string_view value) {
  const json::value* all = value_at(object, list);
  if (all == nullptr || !all->is_array()) return nullptr;
  const auto found = std::ranges::find_if(
      all->get_array(), [&](const json::value& one) { return text_at(one, key) == value; });
  return found == all->get_array().end() ? nullptr : &*found;
}

// One of the texts there; empty where there is none.
std::string_view said(const json::value& object, std::string_view where, std::string_view name) {
  const json::value* all = value_at(object, where);
  const json::value* found =
      all != nullptr && all->is_object() ? all->get_object().if_contains(name) : nullptr;
  return found != nullptr && found->is_string() ? std::string_view(found->get_string())
                                                : std::string_view();
}

bool is_going(const json::value& object) {
  return !text_at(object, "/metadata/deletionTimestamp").empty();
}

// It will not run again: it was evicted, or its node would not have it. Another is made for it.
bool is_over(const json::value& pod) {
  const std::string_view phase = text_at(pod, "/status/phase");
  return phase == "Failed" || phase == "Succeeded";
}

std::string joined(std::string reason, const std::string& message) {
  if (reason.empty() || message.empty()) return reason + message;
  return std::move(reason) + ": " + message;
}

std::string last_line(std::string_view text) {
  while (text.ends_with('\n')) text.remove_suffix(1);
  return std::string(text.substr(text.rfind('\n') + 1));
}

// How the worker ended last, where it does not run at this moment; null: it runs, or never did.
const json::value* end_of(const json::value& worker) {
  if (value_at(worker, "/state/running") != nullptr) return nullptr;
  if (const json::value* now = value_at(worker, "/state/terminated")) return now;
  return value_at(worker, "/lastState/terminated");
}

std::string last_words(const json::value& end) {
  if (std::string said = last_line(text_at(end, "/message")); !said.empty()) return said;
  return joined(at(end, "/reason"), "exit code " + std::to_string(number_at(end, "/exitCode")));
}

bool was_short(const json::value& end) {
  const auto began = parse_time(text_at(end, "/startedAt"));
  const auto ended = parse_time(text_at(end, "/finishedAt"));
  return !began || !ended || *ended - *began < kGoodRun;
}

void set_ended(ReplicaStatus& status, const json::value& end, std::uint64_t ends) {
  const bool loop = ends >= kCrashLoop && was_short(end);
  status.state = loop ? ReplicaState::kCrashLoop : ReplicaState::kBackoff;
  status.message = last_words(end);
}

// A worker that did not run yet waits for one of these, or something is wrong.
bool is_usual(std::string_view reason) {
  return reason.empty() || reason == "ContainerCreating" || reason == "PodInitializing";
}

void set_waiting(ReplicaStatus& status, const json::value& worker) {
  const std::string reason = at(worker, "/state/waiting/reason");
  if (!is_usual(reason)) status.state = ReplicaState::kBackoff;
  status.message = joined(reason, at(worker, "/state/waiting/message"));
}

void set_running(ReplicaStatus& status, const json::value& pod, const json::value& worker) {
  const json::value* started = value_at(worker, "/started");
  if (started == nullptr || *started != true) return;
  status.state = ReplicaState::kUnready;
  if (const json::value* ready = condition_of(pod, "Ready"))
    status.message = joined(at(*ready, "/reason"), at(*ready, "/message"));
}

// It has no place yet.
bool set_unscheduled(ReplicaStatus& status, const json::value& pod) {
  const json::value* scheduled = condition_of(pod, "PodScheduled");
  if (scheduled == nullptr || text_at(*scheduled, "/status") != "False") return false;
  if (text_at(*scheduled, "/reason") == "Unschedulable") status.state = ReplicaState::kNoRoom;
  status.message = at(*scheduled, "/message");
  return true;
}

const json::value* worker_of(const json::value& pod) {
  return find_in(pod, "/status/containerStatuses", "/name", kWorkerContainer);
}

// Pods that a Deployment may not make: a quota is full, or the cluster refuses them as they are.
std::optional<ReplicaStatus> refused(const json::value& deployment) {
  const json::value* failure = condition_of(deployment, "ReplicaFailure");
  if (failure == nullptr || text_at(*failure, "/status") != "True") return std::nullopt;
  ReplicaStatus status;
  status.id = key_of(deployment).name;
  status.message = at(*failure, "/message");
  const bool full = status.message.find("exceeded quota") != std::string::npos;
  status.state = full ? ReplicaState::kNoRoom : ReplicaState::kBackoff;
  return status;
}

VersionStatus& status_of(std::map<std::string, VersionStatus>& all, std::string_view label) {
  VersionStatus& status = all[std::string(label)];
  status.label = label;
  return status;
}

// Of a version that nobody has asked for yet it says what that is.
void add_deployment(std::map<std::string, VersionStatus>& all, const json::value& deployment,
                    const std::map<std::string, Wanted>& wanted) {
  const std::string label(label_of(deployment));
  if (label.empty()) return;
  VersionStatus& status = status_of(all, label);
  if (auto none = refused(deployment)) status.replicas.push_back(*std::move(none));
  if (wanted.contains(label)) return;
  status.digest = digest_of(deployment);
  if (!is_going(deployment))
    status.wanted = static_cast<int>(number_at(deployment, "/spec/replicas"));
}

void add_pod(std::map<std::string, VersionStatus>& all, const json::value& pod) {
  const std::string_view label = label_of(pod);
  if (label.empty() || is_over(pod)) return;
  VersionStatus& status = status_of(all, label);
  status.replicas.push_back(replica_of(pod));
  // One of an earlier package, which the Deployment has not replaced yet.
  if (digest_of(pod) != status.digest) status.replicas.back().state = ReplicaState::kStopping;
}

}  // namespace

std::vector<Object> of_service(const ObjectCache& cache, const std::string& name_space,
                               std::string_view service) {
  std::vector<Object> found = cache.in(name_space);
  std::erase_if(found, [&](const Object& object) {
    return said(*object, "/metadata/labels", kServiceLabel) != service;
  });
  return found;
}

std::string_view label_of(const json::value& object) {
  return said(object, "/metadata/labels", kVersionLabel);
}
std::string_view digest_of(const json::value& object) {
  return said(object, "/metadata/annotations", kPackageAnnotation);
}

const json::value* condition_of(const json::value& object, std::string_view type) {
  return find_in(object, "/status/conditions", "/type", type);
}

bool takes_requests(const json::value& pod) {
  const json::value* ready = condition_of(pod, "Ready");
  return ready != nullptr && text_at(*ready, "/status") == "True" && !is_going(pod);
}

std::uint64_t ends_of(const json::value& pod) {
  const json::value* worker = worker_of(pod);
  if (worker == nullptr) return 0;
  // One that ended and was not started again has not been counted. That of a pod that is being
  // deleted was asked for.
  const bool between = end_of(*worker) != nullptr && !is_going(pod);
  return number_at(*worker, "/restartCount") + (between ? 1 : 0);
}

ReplicaStatus replica_of(const json::value& pod) {
  ReplicaStatus status;
  status.id = key_of(pod).name;
  const json::value* worker = worker_of(pod);
  if (worker != nullptr) status.restarts = number_at(*worker, "/restartCount");
  if (is_going(pod)) {
    status.state = ReplicaState::kStopping;
  } else if (takes_requests(pod)) {
    status.state = ReplicaState::kReady;
  } else if (set_unscheduled(status, pod) || worker == nullptr) {
    return status;
  } else if (const json::value* end = end_of(*worker)) {
    set_ended(status, *end, ends_of(pod));
  } else if (value_at(*worker, "/state/waiting") != nullptr) {
    set_waiting(status, *worker);
  } else {
    set_running(status, pod, *worker);
  }
  return status;
}

std::uint64_t EndCount::take(const std::map<std::string, std::uint64_t>& ends) {
  std::erase_if(living_, [&](const auto& one) {
    if (ends.contains(one.first)) return false;
    gone_ += one.second;
    return true;
  });
  std::uint64_t all = gone_;
  for (const auto& [uid, count] : ends) {
    std::uint64_t& most = living_[uid];
    most = std::max(most, count);
    all += most;
  }
  return all;
}

std::vector<VersionStatus> versions_of(const std::map<std::string, Wanted>& wanted,
                                       const std::vector<Object>& deployments,
                                       const std::vector<Object>& pods,
                                       std::map<std::string, EndCount>& ends) {
  std::map<std::string, VersionStatus> all;
  for (const auto& [label, want] : wanted) {
    VersionStatus& status = status_of(all, label);
    status.digest = want.digest;
    status.wanted = want.replicas;
  }
  for (const Object& deployment : deployments) add_deployment(all, *deployment, wanted);
  std::map<std::string, std::map<std::string, std::uint64_t>> counts;
  for (const Object& pod : pods) {
    add_pod(all, *pod);
    counts[std::string(label_of(*pod))][std::string(uid_of(*pod))] = ends_of(*pod);
  }
  std::erase_if(ends, [&](const auto& one) { return !all.contains(one.first); });
  std::vector<VersionStatus> versions;
  for (auto& [label, status] : all) {
    status.crashes = ends[label].take(counts[label]);
    versions.push_back(std::move(status));
  }
  return versions;
}

}  // namespace serin::platform::kubernetes
