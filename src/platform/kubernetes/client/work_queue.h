// SPDX-License-Identifier: Apache-2.0
// What is to be looked at, by name alone: a name that is added twice is looked at once, one that is
// added while it is being looked at is looked at once more, and never by two at a time. What fails
// comes back after a wait of its own that grows. Any thread. The clock outlives it.
//
//   while (const auto key = queue.take(stop)) {
//     reconcile(*key) ? queue.forget(*key) : queue.add_failed(*key);
//     queue.done(*key);
//   }
#pragma once

#include <condition_variable>
#include <deque>
#include <map>
#include <mutex>
#include <optional>
#include <set>
#include <stop_token>

#include "base/backoff.h"
#include "base/clock.h"
#include "platform/kubernetes/client/object.h"

namespace serin::platform::kubernetes {

class WorkQueue {
 public:
  explicit WorkQueue(const Clock& clock,
                     Backoff backoff = {std::chrono::milliseconds(100), std::chrono::minutes(5)})
      : clock_(clock), backoff_(backoff) {}

  void add(const ObjectKey& key);
  // The earliest of several counts; what is already to be looked at is so at once.
  void add_after(const ObjectKey& key, Duration wait);
  void add_failed(const ObjectKey& key);
  void forget(const ObjectKey& key);  // its failures: the next wait is the first again

  // The next that is due; empty: none is. Then done() once it was looked at.
  std::optional<ObjectKey> take_due();
  // Blocks until one is due; empty when it is stopped.
  std::optional<ObjectKey> take(const std::stop_token& stop);
  void done(const ObjectKey& key);

  std::size_t size() const;  // that wait, without those that are only due later

 private:
  void add_now(const ObjectKey& key);
  void make_due();
  std::optional<ObjectKey> pop();
  std::optional<Duration> until_due() const;  // unset: nothing is due later

  const Clock& clock_;
  const Backoff backoff_;
  mutable std::mutex mutex_;
  // All who wait are woken: one alone may be about to stop, and each waits no longer than until
  // what was the next to be due when it began.
  std::condition_variable_any changed_;
  std::deque<ObjectKey> ready_;
  std::set<ObjectKey> wanted_;  // those in ready_, and those to go there when they are done
  std::set<ObjectKey> working_;
  std::map<ObjectKey, Instant> later_;
  std::set<std::pair<Instant, ObjectKey>> due_;  // the same by time
  std::map<ObjectKey, int> failed_;
};

}  // namespace serin::platform::kubernetes
