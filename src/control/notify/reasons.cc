// SPDX-License-Identifier: Apache-2.0
#include "control/notify/reasons.h"

#include <algorithm>
#include <string>

#include "base/nearest.h"
#include "base/words.h"

namespace serin::control::notify {
namespace {

constexpr std::string_view kReasons[] = {
    "Created",     "Configured",   "Deleting",      "Deleted",  "Starting",       "Serving",
    "WorkerEnded", "CrashLoop",    "Recovered",     "Retired",  "RolloutStarted", "WeightChanged",
    "Paused",      "Resumed",      "WouldRollBack", "Promoted", "RolledBack",     "Superseded",
    "UndoStarted", "ScorerFailed", "EvidenceLost",  "Failed"};

}  // namespace

std::span<const std::string_view> reasons() { return kReasons; }

Status check_pattern(std::string_view pattern) {
  if (std::ranges::any_of(kReasons, [&](auto reason) { return fits_pattern(pattern, reason); }))
    return {};
  std::string message = "\"" + std::string(pattern) + "\" fits the reason of no event";
  if (const auto meant = nearest(pattern, kReasons); !meant.empty())
    message += "; did you mean " + std::string(meant) + "?";
  return invalid(std::move(message));
}

}  // namespace serin::control::notify
