// SPDX-License-Identifier: Apache-2.0
#include "base/backoff.h"

#include <algorithm>
#include <random>
#include <thread>

namespace serin {

using std::chrono::milliseconds;

milliseconds wait_after(int failed, const Backoff& backoff, double random) {
  milliseconds full = backoff.first;
  for (int i = 1; i < failed && full < backoff.most; ++i) full *= 2;
  full = std::min(full, backoff.most);
  return milliseconds(
      static_cast<milliseconds::rep>(static_cast<double>(full.count()) * (0.5 + random / 2)));
}

double random_share() {
  thread_local std::mt19937 generator{std::random_device{}()};
  return std::uniform_real_distribution<double>(0, 1)(generator);
}

bool pause(milliseconds time, const CancelToken& cancel) {
  constexpr milliseconds kSlice{50};  // how late a cancellation may be noticed
  for (; time > milliseconds(0) && !cancel.cancelled(); time -= kSlice)
    std::this_thread::sleep_for(std::min(time, kSlice));
  return !cancel.cancelled();
}

}  // namespace serin
