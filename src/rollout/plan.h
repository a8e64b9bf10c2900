// SPDX-License-Identifier: Apache-2.0
// The next step of a rollout: a pure function of what was asked, where the rollout stands, what the
// analysis says and the time. Idempotent: asked again after the action was carried out and
// recorded, it says kWait.
//
// | where it stands                               | action                                      |
// | paused by a person                            | wait                                        |
// | harmful (and no dry run)                      | roll back, at once                          |
// | candidate not ready within progressDeadline   | roll back                                   |
// | safe, the interval over                       | next weight, or promote when that is 100 %  |
// | undecided for holdLimit past the interval     | what onHoldLimit says                       |
// | else                                          | wait, and say for what                      |
#pragma once

#include <chrono>
#include <cstdint>
#include <string>

#include "rollout/analysis.h"

namespace serin::rollout {

using Seconds = std::chrono::duration<double>;

enum class HoldPolicy : std::uint8_t { kPause, kRollBack, kPromote };

struct CanarySpec {
  int initial_weight = 10;  // percent
  int step_weight = 10;     // percentage points
  Seconds interval{3600};   // the least time between two steps
  Seconds hold_limit{24 * 3600};
  HoldPolicy on_hold_limit = HoldPolicy::kPause;
  bool dry_run = false;  // decides and only tells
};

struct CanaryStatus {
  int weight = 0;        // percent; 0: not begun
  Seconds at_weight{0};  // how long it has been so
  bool paused = false;
  bool candidate_ready = false;
  bool deadline_passed = false;  // for becoming ready
};

enum class ActionKind : std::uint8_t { kWait, kSetWeight, kPause, kPromote, kRollBack };

struct Action {
  ActionKind kind = ActionKind::kWait;
  int weight = 0;       // of kSetWeight, percent
  std::string reason;   // stable, for programs: "StepDone"
  std::string message;  // for people
};

Action plan(const CanarySpec& spec, const CanaryStatus& status, const AnalysisReport& report);

}  // namespace serin::rollout
