// SPDX-License-Identifier: Apache-2.0
// Durations as numbers of seconds, for arithmetic, and back.
#pragma once

#include <chrono>
#include <cstdint>

#include "base/clock.h"

namespace serin::gateway {

inline double to_seconds(Duration duration) {
  return std::chrono::duration<double>(duration).count();
}
inline Duration from_seconds(double seconds) {
  return std::chrono::duration_cast<Duration>(std::chrono::duration<double>(seconds));
}
// Of an instant, since any beginning: for counting by the second.
inline std::int64_t whole_seconds(Instant now) {
  return std::chrono::duration_cast<std::chrono::seconds>(now.time_since_epoch()).count();
}

}  // namespace serin::gateway
