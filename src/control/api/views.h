// SPDX-License-Identifier: Apache-2.0
// What the API says, as JSON: the same for every client (docs/control-api.md). Pure. Times are
// RFC 3339, durations seconds, shares parts of one.
#pragma once

#include "base/json.h"
#include "control/controller.h"

namespace serin::control::api {

json::object to_json(const ServiceView& view);
json::object to_json(const Event& event);
json::object to_json(const Applied& applied);
// A rollout as its record has it: of the history.
json::object to_json(const RolloutRecord& rollout);
// The last rollout of a service, with what is known of its metrics; null where there was none.
json::value rollout_json(const ServiceView& view);

// In a word: "Starting", "Serving", "Rolling", "Paused", "RollingBack", "Degraded", "Deleting".
std::string_view state_of(const ServiceView& view);

// Of a metric's values: "seconds", "score", "count", "rate".
std::string_view unit_of(rollout::MetricKind kind);
// The evidence for a verdict as a part of what the verdict takes. Both are logarithms of e-values;
// below 0 they speak against it.
double share_of(double evidence, double threshold);
// The part of the keys that a version gets, in percent.
int weight_of(const ServiceRecord& record, const std::string& label);
// When the next step of the running canary or shadow may come, if the evidence allows it.
std::optional<Moment> next_step_at(const ServiceView& view);

}  // namespace serin::control::api
