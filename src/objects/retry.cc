// SPDX-License-Identifier: Apache-2.0
#include "objects/retry.h"

#include <algorithm>
#include <random>
#include <thread>

namespace serin::objects {

using std::chrono::milliseconds;

std::optional<milliseconds> wait_before_retry(const RetryPolicy& policy, int tried,
                                              const Error& error, double random) {
  if (error.code != Code::kUnavailable || tried >= policy.attempts) return std::nullopt;
  milliseconds full = policy.first;
  for (int i = 1; i < tried && full < policy.most; ++i) full *= 2;
  full = std::min(full, policy.most);
  const auto jittered = milliseconds(
      static_cast<milliseconds::rep>(static_cast<double>(full.count()) * (0.5 + random / 2)));
  return std::min(std::max(jittered, error.retry_after.value_or(milliseconds(0))), policy.most);
}

bool Retry::again(const Error& error) {
  thread_local std::mt19937 generator{std::random_device{}()};
  ++tried_;
  auto left = wait_before_retry(policy_, tried_, error,
                                std::uniform_real_distribution<double>(0, 1)(generator));
  if (!left) return false;
  constexpr milliseconds kSlice{50};  // how late a cancellation may be noticed
  for (; *left > milliseconds(0) && !cancel_.cancelled(); *left -= kSlice)
    std::this_thread::sleep_for(std::min(*left, kSlice));
  return !cancel_.cancelled();
}

}  // namespace serin::objects
