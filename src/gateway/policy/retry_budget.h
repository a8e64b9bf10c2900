// SPDX-License-Identifier: Apache-2.0
// How many retries there may be, and how long each waits. Pure.
//
// The number of tries of one request bounds little: when everything fails, every request is tried
// so often, and a service in trouble gets a multiple of its load. The budget bounds what all
// requests together add.
#pragma once

#include <cstdint>

#include "base/clock.h"

namespace serin::gateway {

// Envoy's retry budget: budget_percent and min_retry_concurrency.
struct RetryBudget {
  double share = 0.2;             // of the requests in flight
  int min_retry_concurrency = 3;  // so many are always allowed
  bool operator==(const RetryBudget&) const = default;
};
// Whether one more retry may run beside those that do; `requests` in flight count their retries as
// one.
bool may_retry(const RetryBudget& budget, std::uint64_t requests, std::uint64_t retries);

// The wait before retry `number` (the first is 1): anything from zero to base * 2^(number - 1),
// at most ten times the base. `random` in [0, 1) makes retries of many clients come apart (full
// jitter).
Duration retry_backoff(Duration base, int number, double random);

}  // namespace serin::gateway
