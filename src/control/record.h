// SPDX-License-Identifier: Apache-2.0
// What the control plane knows of a service: what was asked for, and how far it has come. Plain
// values, the whole of what is stored (control/store.h), and with what the platform says the whole
// of what a decision needs (control/reconcile.h).
#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "control/schema/manifest.h"
#include "platform/platform.h"

namespace serin::control {

// Wall time, so that it means the same after a restart.
using Moment = std::chrono::sys_time<std::chrono::milliseconds>;
Moment moment_of(const Clock& clock);

enum class VersionState : std::uint8_t {
  kCandidate,
  kStable,
  kKept,     // it was stable, and runs on for a while so that it can be again at once
  kRetired,  // it was stable
  kRolledBack,
};
std::string_view name_of(VersionState state);
Result<VersionState> version_state_of(std::string_view name);

struct VersionRecord {
  std::string label;      // "v2"
  platform::Model model;  // resolved once, when the manifest was applied
  Moment since{};         // in this state
  VersionState state = VersionState::kCandidate;
  std::string trouble;  // the reason of the last event about how it runs; empty: none

  bool operator==(const VersionRecord& other) const;
};

// Where a rollout stands beyond its weight. Only `recreate` leaves kMoving.
enum class Phase : std::uint8_t {
  kVacating,   // the stable version ends, so that there is room
  kMoving,     // the candidate starts, and traffic moves to it
  kRestoring,  // the candidate ends; then the stable version starts again
};
std::string_view name_of(Phase phase);
Result<Phase> phase_of(std::string_view name);

enum class Ending : std::uint8_t { kNone, kPromoted, kRolledBack, kSuperseded };
std::string_view name_of(Ending ending);
Result<Ending> ending_of(std::string_view name);

struct RolloutRecord {
  std::int64_t number = 0;  // of the service's rollouts, from 1
  std::string candidate;    // labels
  std::string stable;
  Strategy strategy = Strategy::kCanary;
  bool undo = false;     // back to a version that was stable before
  std::string manifest;  // as it was when the rollout began: its analysis goes by that to the end
  Phase phase = Phase::kMoving;
  std::string salt;
  int weight = 0;  // the candidate's, percent
  Moment began{};
  Moment weight_since{};
  std::optional<Moment> unready_since;  // unset while the candidate is ready
  std::string paused_by;                // empty: it is not
  // Why the last step was taken, or what it waits for: for programs, and for people.
  std::string reason;
  std::string message;
  Ending ending = Ending::kNone;
  Moment ended{};

  // The statistics (rollout::Analysis::save) and what they have counted: evidence up to the cursor,
  // and so many crashes. Written together, so that nothing counts twice.
  std::string analysis;
  platform::EvidenceCursor evidence_next;
  std::uint64_t stable_crashes = 0;
  std::uint64_t candidate_crashes = 0;
  // Of a shadow rollout, what comparing answers has shown so far (rollout::Agreements::save).
  std::string agreements;

  bool running() const { return ending == Ending::kNone; }
  bool paused() const { return !paused_by.empty(); }
  bool operator==(const RolloutRecord&) const = default;
};

struct ServiceRecord {
  std::string name;
  std::int64_t generation = 0;  // grows with every manifest that says something else
  std::string manifest;         // JSON, as it was written
  platform::Model model;        // what spec.model stood for when it was applied
  std::int64_t attempted = 0;   // the generation whose package was last begun with
  std::int64_t labels = 0;      // given so far
  std::int64_t rollouts = 0;
  std::map<std::string, std::string> targets;  // who is told of events, JSON by name
  std::string stable;                          // label; empty: there is none yet
  bool routed = false;
  bool deleting = false;
  std::vector<VersionRecord> versions;   // the oldest first
  std::optional<RolloutRecord> rollout;  // the last one, which may be over

  const VersionRecord* version(std::string_view label) const;
  VersionRecord* version(std::string_view label);
  bool rolling() const { return rollout && rollout->running(); }
  bool operator==(const ServiceRecord& other) const;
};

// One record of what happened to what.
struct Event {
  std::int64_t id = 0;  // grows; 0: not stored yet
  Moment time{};
  std::string service;
  std::string version;  // label; empty: the service as a whole
  std::string reason;   // stable, for programs: "WeightChanged"
  std::string message;  // for people
  bool warning = false;
};

}  // namespace serin::control
