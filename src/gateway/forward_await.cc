// SPDX-License-Identifier: Apache-2.0
// A request whose version has no worker at this moment: the first one is starting, the only one is
// being replaced, or a lost one is not back. It waits for one, for at most `firstTokenTimeout` in
// all.
#include "gateway/forward.h"

namespace serin::gateway {

// False: as many wait as may, it has waited long enough, or it is a request that is not to wait.
bool Forward::await_worker() {
  // What reads is asked by those who want to know now; of a stream of messages not all is kept.
  if (streamed_ || exchange_->head().method != "POST") return false;
  const Instant now = core_.clock.now();
  if (!await_until_) await_until_ = now + service_->resilience.first_token_timeout;
  if (now >= *await_until_) return false;
  std::atomic<std::uint32_t>& awaiting = home_->state->awaiting;
  if (awaiting.fetch_add(1, std::memory_order_relaxed) >=
      service_->resilience.max_pending_requests) {
    awaiting.fetch_sub(1, std::memory_order_relaxed);
    return false;
  }
  phase_ = Phase::kAwaiting;
  return true;
}

void Forward::look_for_worker(Instant now) {
  if (first_worker_) {
    use_present_table();
  } else {
    deal_anew();
  }
  if (version_->replicas.empty() && now < *await_until_) return;
  stop_awaiting();
  start_try();
}

void Forward::stop_awaiting() {
  if (phase_ == Phase::kAwaiting) home_->state->awaiting.fetch_sub(1, std::memory_order_relaxed);
}

// A request that nobody has seen yet belongs where the present configuration sends it: what it
// waited for may have been replaced by another version.
void Forward::deal_anew() {
  const auto& present = lane_.table();
  const auto service = present->services.find(service_->name);
  if (present == table_ || service_ != home_ || service == present->services.end()) return;
  const VersionEntry* pinned = pinned_ ? service->second.find(version_->label) : nullptr;
  if (pinned_ && pinned == nullptr) return;
  service_ = &service->second;
  version_ = pinned;
  table_ = present;
  assign();
}

}  // namespace serin::gateway
