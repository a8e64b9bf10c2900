// SPDX-License-Identifier: Apache-2.0
#include "gateway/policy/retry_budget.h"

#include <algorithm>
#include <cmath>

#include "gateway/policy/seconds.h"

namespace serin::gateway {

bool may_retry(const RetryBudget& budget, std::uint64_t requests, std::uint64_t retries) {
  const double allowed = std::max(static_cast<double>(budget.min_retry_concurrency),
                                  budget.share * static_cast<double>(requests));
  return static_cast<double>(retries) + 1 <= allowed;
}

Duration retry_backoff(Duration base, int number, double random) {
  constexpr double kMost = 10;  // Envoy's max_interval, in bases
  const double growth = std::min(std::exp2(std::clamp(number, 1, 32) - 1), kMost);
  return from_seconds(to_seconds(base) * growth * random);
}

}  // namespace serin::gateway
