// SPDX-License-Identifier: Apache-2.0
#include "objects/retry.h"

#include <algorithm>

#include "base/backoff.h"

namespace serin::objects {

using std::chrono::milliseconds;

std::optional<milliseconds> wait_before_retry(const RetryPolicy& policy, int tried,
                                              const Error& error, double random) {
  if (error.code != Code::kUnavailable || tried >= policy.attempts) return std::nullopt;
  const milliseconds jittered = wait_after(tried, {policy.first, policy.most}, random);
  return std::min(std::max(jittered, error.retry_after.value_or(milliseconds(0))), policy.most);
}

bool Retry::again(const Error& error) {
  ++tried_;
  const auto wait = wait_before_retry(policy_, tried_, error, random_share());
  return wait && pause(*wait, cancel_);
}

}  // namespace serin::objects
