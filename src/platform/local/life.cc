// SPDX-License-Identifier: Apache-2.0
#include "platform/local/life.h"

namespace serin::platform::local {
namespace {

using std::chrono::milliseconds;

bool longer_than(const std::optional<Instant>& since, milliseconds limit, Instant now) {
  return since && now - *since > limit;
}

std::string in_seconds(milliseconds time) { return std::to_string(time.count() / 1000) + " s"; }

Decision next_of_leaving(const Life& life, Instant now, const LifePolicy& policy) {
  if (!life.running) return {Step::kForget, {}};
  const bool waited = now - *life.leaving_since >= policy.leave_within;
  if (!life.terminated && (life.left || waited)) return {Step::kTerminate, {}};
  return {};
}

// What cannot go on, by how long it has lasted.
std::string why_to_kill(const Life& life, Instant now, const LifePolicy& policy) {
  if (!life.was_ready && now - life.started > policy.start_within)
    return "it was not ready within " + in_seconds(policy.start_within);
  if (longer_than(life.stopped_since, policy.dead_after, now))
    return "it was stopped by a signal for " + in_seconds(policy.dead_after);
  if (longer_than(life.answered, policy.dead_after, now))
    return "it did not answer for " + in_seconds(policy.dead_after);
  if (longer_than(life.stuck_since, policy.dead_after, now))
    return "it was stuck for " + in_seconds(policy.dead_after);
  return {};
}

}  // namespace

Decision next_step(const Life& life, Instant now, const LifePolicy& policy) {
  if (life.killed && life.running) return {};
  if (longer_than(life.terminated, policy.grace, now) && life.running)
    return {Step::kKill, "it did not end within " + in_seconds(policy.grace) + " of SIGTERM"};
  if (life.leaving_since) return next_of_leaving(life, now, policy);
  if (!life.running) return {now >= life.next_start ? Step::kStart : Step::kNothing, {}};
  if (life.over_memory) return {Step::kKill, "it used more memory than it may"};
  if (std::string why = why_to_kill(life, now, policy); !why.empty())
    return {Step::kKill, std::move(why)};
  return {};
}

std::string reason_of(const Life& life, Instant now, const LifePolicy& policy) {
  if (!life.running) return {};
  if (life.stopped_since) return "it was stopped by a signal";
  if (longer_than(life.answered, policy.unready_after, now)) return "it does not answer";
  return {};
}

ReplicaState state_of(const Life& life, bool crash_loop, Instant now, const LifePolicy& policy) {
  if (life.leaving_since) return ReplicaState::kStopping;
  if (!life.running) {
    if (crash_loop) return ReplicaState::kCrashLoop;
    return now >= life.next_start ? ReplicaState::kStarting : ReplicaState::kBackoff;
  }
  if (life.killed || life.terminated) return ReplicaState::kUnready;
  if (life.ready && reason_of(life, now, policy).empty()) return ReplicaState::kReady;
  return life.was_ready ? ReplicaState::kUnready : ReplicaState::kStarting;
}

}  // namespace serin::platform::local
