// SPDX-License-Identifier: Apache-2.0
// Tells targets of what happens to services: each of every event that it asks for, in order, and at
// least once. The events are what the store keeps anyway; beside them stands how far each target
// has come, so that whoever is killed in between loses nothing and tells at most the last event
// again.
//
// An event that is refused is tried again after 1 s, 2 s, 4 s … 60 s, until it is as old as the
// target's retryFor; then an event says so, and the next one has its turn. A target waits for
// nobody but itself, as long as fewer than kThreads others are being told.
//
// Threads: start() begins kThreads, which wait for targets and for the store, never for the
// controller; the controller never waits for them.
#pragma once

#include <condition_variable>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <stop_token>
#include <string>
#include <thread>
#include <vector>

#include "base/cancel.h"
#include "base/clock.h"
#include "control/metrics.h"
#include "control/notify/target.h"
#include "control/store.h"

namespace serin::control::notify {

class Notifier {
 public:
  static constexpr unsigned kThreads = 4;
  // As Teller::tell(); called from several threads at once.
  using Tell = std::function<Status(const Target&, const Event&, const CancelToken&)>;

  // All outlive it, and nobody else uses the store: the controller has its own, on the same file.
  Notifier(Store& store, const Clock& clock, Metrics& metrics, Tell tell);
  ~Notifier();  // what is under way is cut short, and told again by the next one

  void start();
  // Without start(): tells everybody who is due of one event after the other, until nobody is.
  void round();

 private:
  // One target, and where it is.
  struct Lane {
    Subscription subscription;
    Target target;
    std::int64_t looked = -1;  // up to this event there is nothing more for it
    bool busy = false;
    int failed = 0;  // tries in a row
    Instant due{};
  };
  using Key = std::pair<std::string, std::string>;  // service and target
  struct Due {
    Key key;
    Target target;
    Event event;
  };

  void run(const std::stop_token& stop);
  std::optional<Due> claim();
  void settle(const Due& due, const Status& told);
  void look();
  void keep(std::map<Key, Lane> lanes);
  std::optional<Event> next_for(Lane& lane);
  void give_up(Lane& lane, const Event& event, const std::string& why);
  Event failure_of(const Lane& lane, std::string message) const;
  Status advance(Lane& lane, std::int64_t to, std::optional<Event> event = std::nullopt);

  Store& store_;
  const Clock& clock_;
  Metrics& metrics_;
  const Tell tell_;
  CancelToken cancel_;

  std::mutex mutex_;  // of all below, and of the store
  std::condition_variable_any wake_;
  std::map<Key, Lane> lanes_;
  Key last_;                  // who was told last, so that everybody has a turn
  std::int64_t newest_ = -1;  // event that was seen
  std::vector<std::jthread> threads_;
};

}  // namespace serin::control::notify
