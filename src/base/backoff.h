// SPDX-License-Identifier: Apache-2.0
// How long to wait before trying again: longer each time, up to a bound. Any thread.
#pragma once

#include <chrono>

#include "base/cancel.h"

namespace serin {

struct Backoff {
  std::chrono::milliseconds first{0};
  std::chrono::milliseconds most{0};
};

// After `failed` failures in a row, from 1: `first`, doubled with each, and `most` at the most.
// `random` in [0, 1] picks from the upper half of it, so that those that failed together come
// apart; 1 is all of it. Pure.
std::chrono::milliseconds wait_after(int failed, const Backoff& backoff, double random);

double random_share();  // in [0, 1)

// Blocks for so long; false soon after it was cancelled.
bool pause(std::chrono::milliseconds time, const CancelToken& cancel);

}  // namespace serin
