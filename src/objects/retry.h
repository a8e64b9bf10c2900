// SPDX-License-Identifier: Apache-2.0
// When to try again, and how long to wait before it. The decision is pure; Retry only waits.
#pragma once

#include <chrono>
#include <optional>

#include "base/cancel.h"
#include "base/error.h"

namespace serin::objects {

struct RetryPolicy {
  int attempts = 5;                        // the first one too
  std::chrono::milliseconds first{200};    // before the second attempt, doubled before each later
  std::chrono::milliseconds most{10'000};  // no wait is longer, whatever a store asks for
};

// The wait before the next attempt, after `tried` of them; empty when there is to be none, because
// they are used up or because trying again does not help (everything but kUnavailable). `random` in
// [0, 1) picks from the upper half of the wait, so that clients that failed together come apart. A
// store's own Retry-After goes first.
std::optional<std::chrono::milliseconds> wait_before_retry(const RetryPolicy& policy, int tried,
                                                           const Error& error, double random);

//   for (Retry retry(policy, cancel);;) {
//     auto result = try_once();
//     if (result || !retry.again(result.error())) return result;
//   }
class Retry {
 public:
  Retry(const RetryPolicy& policy, const CancelToken& cancel) : policy_(policy), cancel_(cancel) {}
  // Blocks for the wait. False at once when there is to be no other attempt, and when cancelled.
  bool again(const Error& error);
  // What was received meanwhile was worth an attempt: start counting anew.
  void progressed() { tried_ = 0; }

 private:
  RetryPolicy policy_;
  CancelToken cancel_;
  int tried_ = 0;
};

}  // namespace serin::objects
