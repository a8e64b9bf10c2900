// SPDX-License-Identifier: Apache-2.0
#include "base/restarts.h"

#include "base/backoff.h"

namespace serin {

std::chrono::milliseconds Restarts::ended_after(Duration run) {
  if (run >= policy_.good_run) short_runs_ = 0;
  return wait_after(++short_runs_, {policy_.first, policy_.longest}, 1);
}

}  // namespace serin
