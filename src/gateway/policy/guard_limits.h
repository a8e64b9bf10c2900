// SPDX-License-Identifier: Apache-2.0
// What of a service's resilience holds for all its requests together, as its configuration says it.
// Values.
#pragma once

#include "gateway/policy/breaker.h"
#include "gateway/policy/concurrency.h"
#include "gateway/policy/hedge.h"
#include "gateway/policy/shed.h"

namespace serin::gateway {

struct GuardLimits {
  BreakerLimits breaker = {};
  int max_concurrent_calls = 4096;  // Resilience4j's bulkhead
  ConcurrencyLimits adaptive = {};
  bool shed_deadlines = true;
  PriorityShares priorities = {};
  HedgeLimits hedging = {};
  bool operator==(const GuardLimits&) const = default;
};

}  // namespace serin::gateway
