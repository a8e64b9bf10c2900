// SPDX-License-Identifier: Apache-2.0
#include "platform/platform.h"

#include <algorithm>
#include <cmath>

namespace serin::platform {
namespace {

constexpr std::size_t kLongestName = 63;
constexpr int kMostReplicas = 1000;

Status check_name(const std::string& text, const std::string& field) {
  if (is_name(text)) return {};
  return invalid("\"" + text + "\": must be 1 to 63 of a-z, 0-9 and '-', with no '-' at its ends",
                 field);
}

}  // namespace

// A label of DNS, so that it may stand in a host name, a path and a resource of a cluster.
bool is_name(std::string_view text) {
  const auto fits = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-';
  };
  return !text.empty() && text.size() <= kLongestName && std::ranges::all_of(text, fits) &&
         text.front() != '-' && text.back() != '-';
}

int threads_of(const Resources& resources) {
  return std::max(1, static_cast<int>(std::floor(resources.cpus)));
}

std::string_view name_of(ReplicaState state) {
  switch (state) {
    case ReplicaState::kStarting:
      return "starting";
    case ReplicaState::kReady:
      return "ready";
    case ReplicaState::kUnready:
      return "unready";
    case ReplicaState::kBackoff:
      return "backoff";
    case ReplicaState::kCrashLoop:
      return "crash loop";
    case ReplicaState::kNoRoom:
      return "no room";
    case ReplicaState::kStopping:
      return "stopping";
  }
  return "unknown";
}

int VersionStatus::ready() const {
  return static_cast<int>(
      std::ranges::count(replicas, ReplicaState::kReady, &ReplicaStatus::state));
}

Status check(const VersionSpec& spec) {
  SERIN_TRY(check_name(spec.service, "service"));
  SERIN_TRY(check_name(spec.label, "label"));
  if (spec.model.digest.empty()) return invalid("a version without a package", "model.digest");
  if (spec.replicas < 0 || spec.replicas > kMostReplicas)
    return invalid("must be 0 to " + std::to_string(kMostReplicas), "replicas");
  if (!(spec.resources.cpus >= 0)) return invalid("must not be negative", "resources.cpus");
  if (spec.resources.gpus < 0) return invalid("must not be negative", "resources.gpus");
  return {};
}

Status check(const Traffic& traffic) {
  SERIN_TRY(check_name(traffic.service, "service"));
  if (traffic.stable.empty()) return invalid("there must be a stable version", "stable");
  if (traffic.stable == traffic.candidate)
    return invalid("must be another version than the stable one", "candidate");
  if (traffic.weight < 0 || traffic.weight > 100) return invalid("must be 0 to 100", "weight");
  if (traffic.weight > 0 && traffic.candidate.empty())
    return invalid("must be 0 without a candidate", "weight");
  if (!(traffic.sample >= 0 && traffic.sample <= 1)) return invalid("must be 0 to 1", "sample");
  return {};
}

}  // namespace serin::platform
