// SPDX-License-Identifier: Apache-2.0
// The queue in front of the device threads: bounded by count and by estimated cost, so that a
// worker under too much load says so at once instead of letting everybody wait. push(), close(),
// stop() and the numbers from any thread; take() and running_changed() from each device thread.
// Lives as long as the engine.
#pragma once

#include <chrono>
#include <condition_variable>
#include <mutex>
#include <optional>
#include <vector>

#include "engine/batcher.h"
#include "engine/job.h"

namespace serin::engine {

class Admission {
 public:
  struct Limits {
    std::size_t requests = 256;
    double cost = 1e9;
    Duration max_wait{0};  // for company
  };
  Admission(Limits limits, const Clock& clock) : limits_(limits), clock_(&clock) {}

  // kResourceExhausted (queue_full) past a limit, with how long the queue will take at
  // `cost_per_second`; kUnavailable (draining) after close().
  Status push(JobPtr job, double cost_per_second);
  void close();  // refuse what is new
  void stop();   // and let take() return at once

  struct Taken {
    std::vector<JobPtr> run, cancelled, expired;
    bool stopped = false;
  };
  // What a device thread does next with its `places` free places. Where it is `idle`, waits for it,
  // at most until `latest`; else looks only.
  Taken take(std::size_t places, bool idle, bool wait_for_company, Instant latest);
  // A device thread that had `before` in flight, what it took included, has `now`.
  void running_changed(std::size_t before, std::size_t now);
  std::vector<JobPtr> take_all();

  struct Numbers {
    std::size_t waiting = 0, running = 0;
    double waiting_cost = 0;
  };
  Numbers numbers() const;
  // True when nothing waits and nothing runs within `at_most`.
  bool wait_empty(std::chrono::milliseconds at_most);

 private:
  std::optional<Error> refusal(const Job& job, double cost_per_second) const;
  std::vector<Waiting> snapshot() const;
  Taken extract(const BatchPlan& plan);
  void sleep(std::unique_lock<std::mutex>& lock, Duration at_most, std::size_t wakes_at);
  void leave_to_sleepers();

  const Limits limits_;
  const Clock* clock_;
  mutable std::mutex mutex_;
  std::condition_variable changed_, emptied_;
  std::vector<JobPtr> queue_;  // in order of arrival
  Arrivals arrivals_;
  double waiting_cost_ = 0;
  std::size_t running_ = 0;
  std::size_t sleepers_ = 0;  // threads in sleep()
  std::size_t wakes_at_ = 0;  // so many waiting wake one of them; 0: nobody to wake, or one wakes
  bool closed_ = false, stopped_ = false;
};

// How long `cost` will take, for Retry-After: a tenth of a second to a minute; a second where
// nothing is known.
std::chrono::milliseconds time_for(double cost, double cost_per_second);

}  // namespace serin::engine
