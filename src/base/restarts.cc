// SPDX-License-Identifier: Apache-2.0
#include "base/restarts.h"

#include <algorithm>

namespace serin {

std::chrono::milliseconds Restarts::ended_after(Duration run) {
  if (run >= policy_.good_run) short_runs_ = 0;
  constexpr int kMostDoublings = 20;
  const auto wait = policy_.first * (1 << std::min(short_runs_, kMostDoublings));
  ++short_runs_;
  return std::min(wait, policy_.longest);
}

}  // namespace serin
