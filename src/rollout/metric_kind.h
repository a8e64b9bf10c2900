// SPDX-License-Identifier: Apache-2.0
// What kinds of metrics have in common, for the sources of Analysis.
#pragma once

#include <optional>

#include "rollout/analysis.h"

namespace serin::rollout {

inline bool is_time(MetricKind kind) {
  return kind == MetricKind::kLatency || kind == MetricKind::kTimeToFirstToken ||
         kind == MetricKind::kTimePerOutputToken;
}

// Unset for a metric that is no time, and where the request has none.
inline std::optional<double> time_of(MetricKind kind, const Request& request) {
  if (kind == MetricKind::kLatency) return request.latency;
  if (kind == MetricKind::kTimeToFirstToken) return request.time_to_first_token;
  if (kind == MetricKind::kTimePerOutputToken) return request.time_per_output_token;
  return std::nullopt;
}

}  // namespace serin::rollout
