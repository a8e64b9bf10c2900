// SPDX-License-Identifier: Apache-2.0
#include "rollout/workers.h"

#include <algorithm>

namespace serin::rollout {

WorkerTable::Place WorkerTable::see(std::uint32_t worker) {
  ++clock_;
  const auto found = index_.find(worker);
  const bool is_new = found == index_.end();
  std::uint32_t at = is_new ? 0 : found->second;
  if (is_new) {
    if (workers_.size() < kMost) {
      at = static_cast<std::uint32_t>(workers_.size());
      workers_.emplace_back();
    } else {
      const auto quiet = std::ranges::min_element(workers_, {}, &Worker::last);
      at = static_cast<std::uint32_t>(quiet - workers_.begin());
      index_.erase(quiet->id);
    }
    workers_[at] = {.id = worker};
    index_[worker] = at;
  }
  Worker& seen = workers_[at];
  seen.last = clock_;
  return {.index = at, .is_new = is_new, .requests = ++seen.requests};
}

bool WorkerTable::index_workers() {
  index_.clear();
  if (workers_.size() > kMost) return false;
  for (std::uint32_t i = 0; i < workers_.size(); ++i) {
    if (!index_.emplace(workers_[i].id, i).second) return false;
  }
  return true;
}

}  // namespace serin::rollout
