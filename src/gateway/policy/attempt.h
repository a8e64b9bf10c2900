// SPDX-License-Identifier: Apache-2.0
// How one try at one replica ended, and whose fault that was. Everything in policy/ that counts
// failures counts these, so that no two of them disagree. Pure.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>

#include "base/clock.h"

namespace serin::gateway {

using std::chrono::milliseconds;

enum class AttemptEnd : std::uint8_t {
  kAnswered,      // the replica did what it should; also where it refused a wrong request (4xx)
  kFull,          // 429: it is busy and says so, which is no fault of its own
  kServerError,   // 5xx, but for those below
  kGatewayError,  // 502, 503, 504; no connection, a broken one, no first token in time
  kAbandoned,     // the client went away or another try was quicker: it says nothing
};

struct Attempt {
  AttemptEnd end = AttemptEnd::kAnswered;
  std::optional<Duration> first_token;  // from sending to the first token or byte of the answer
  std::optional<Duration> per_token;    // between two tokens of the answer, on average
};

inline AttemptEnd end_of_status(std::uint16_t status) {
  if (status == 429) return AttemptEnd::kFull;
  if (status >= 502 && status <= 504) return AttemptEnd::kGatewayError;
  return status >= 500 ? AttemptEnd::kServerError : AttemptEnd::kAnswered;
}
inline bool is_5xx(AttemptEnd end) {
  return end == AttemptEnd::kServerError || end == AttemptEnd::kGatewayError;
}

}  // namespace serin::gateway
