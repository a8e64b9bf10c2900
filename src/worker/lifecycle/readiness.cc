// SPDX-License-Identifier: Apache-2.0
#include "worker/lifecycle/readiness.h"

namespace serin::worker {
namespace {

std::string in_seconds(Duration duration) {
  return std::to_string(std::chrono::duration_cast<std::chrono::seconds>(duration).count()) + " s";
}

}  // namespace

Readiness readiness(const engine::EngineState& state, bool draining, Instant now,
                    std::chrono::milliseconds within) {
  if (draining) return {false, "draining"};
  if (state.in_call && now - state.call_started > within) {
    return {false,
            "stuck: one call of the model has run for " + in_seconds(now - state.call_started)};
  }
  if (!state.in_call && now - state.last_advance > within) {
    return {false, "stuck: nothing has advanced for " + in_seconds(now - state.last_advance)};
  }
  return {true, "ready"};
}

}  // namespace serin::worker
