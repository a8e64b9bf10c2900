// SPDX-License-Identifier: Apache-2.0
// Who of several leads, by a Lease of coordination.k8s.io that its holder writes anew again and
// again. No clock of another machine is trusted: the others take the lease once they have seen it
// unchanged, by their own clock, for as long as its holder said that it lasts, and the holder stops
// leading by its own clock well before that.
//
// leading() is for any thread, and what must not be done by two asks it right before. Everything
// else happens on one thread: start()'s, or a test's that steps by hand. Api and clock outlive it.
#pragma once

#include <cstdint>
#include <functional>
#include <mutex>
#include <optional>
#include <string>
#include <thread>

#include "base/clock.h"
#include "platform/kubernetes/client/api.h"

namespace serin::platform::kubernetes {

struct LeaseOptions {
  std::string ns, name;
  std::string identity;  // of this process, and of no other
  std::chrono::seconds lasts{15};
  std::chrono::milliseconds renew_within{10'000};  // else it leads no more; less than `lasts`
  std::chrono::milliseconds every{2'000};          // between two tries
};

// What to do about a lease that has looked the same for so long. Pure.
enum class LeaseStep : std::uint8_t { kCreate, kTake, kRenew, kWait };
LeaseStep next_step(const json::value* lease, std::string_view identity, Duration unchanged,
                    std::chrono::seconds lasts);

class Election {
 public:
  Election(Api& api, LeaseOptions options, const Clock& clock);
  ~Election();  // start()'s thread gives the lease up

  // Calls `changed` on a thread of its own, whenever this begins or ends to lead: the end when the
  // time is over, which is `lasts` - `renew_within` before the lease may be another's. What it
  // calls must be done with its work by then.
  void start(std::function<void(bool leading)> changed);

  // One try to get the lease or to keep it; an error when it could not be looked at or written.
  Status step();
  bool leading() const;
  // So that the next need not wait. What only the leader may do must have ended.
  Status release();

 private:
  void run();
  Status write(json::value lease, bool fresh, bool taken);
  Call call() const;
  std::chrono::milliseconds left() const;  // of the time that is led
  Target target(bool one) const;

  Api& api_;
  const LeaseOptions options_;
  const Clock& clock_;
  const CancelToken cancel_;
  std::string seen_;  // the lease's spec as it was last seen
  Instant seen_at_;   // first so

  mutable std::mutex mutex_;
  std::optional<Instant> renewed_;  // when the last write that succeeded began
  std::function<void(bool)> changed_;
  std::jthread thread_;
};

}  // namespace serin::platform::kubernetes
