// SPDX-License-Identifier: Apache-2.0
// Whether one more request of a service fits: within the bound on its requests in flight, so that
// one service cannot take all there is; within its priority's part of the bound; and, when little
// is left, within its client's fair part, so that who has most in flight is refused first. Pure.
#pragma once

#include <cstdint>
#include <string_view>

#include "gateway/policy/shed.h"

namespace serin::gateway {

struct Load {
  int limit = 0;      // requests at once, at least 1
  int in_flight = 0;  // of all clients
  // Of clients who are known apart: how many have requests in flight, and how many this one has.
  // Without such clients both are 0.
  int clients = 0;
  int mine = 0;
  Priority priority = Priority::kNormal;
};

enum class Fit : std::uint8_t {
  kFits,
  kFull,      // the bound is reached
  kPriority,  // what is left is for higher priorities
  kUnfair,    // what is left is for clients who have less in flight
};
std::string_view name_of(Fit fit);  // "fits", "full", "priority", "unfair"

Fit fit(const Load& load, const PriorityShares& shares = {});

}  // namespace serin::gateway
