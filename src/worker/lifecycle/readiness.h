// SPDX-License-Identifier: Apache-2.0
// Whether a worker is ready, from what its engine last did. Pure.
#pragma once

#include <chrono>
#include <string>

#include "base/clock.h"
#include "engine/engine.h"

namespace serin::worker {

struct Readiness {
  bool ready = false;
  std::string reason;  // "ready", "draining", "stuck: …"
};

// Ready while some generation advanced within `within`. An engine without work is asked to prove
// itself by its idle probe, so that silence is a fault too; a full queue is not.
Readiness readiness(const engine::EngineState& state, bool draining, Instant now,
                    std::chrono::milliseconds within);

}  // namespace serin::worker
