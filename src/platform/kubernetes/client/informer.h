// SPDX-License-Identifier: Apache-2.0
// Keeps the objects of one collection in memory, as they are on the server: lists them once, then
// watches what changes, goes on from where a watch broke off, and lists anew where that is
// forgotten (410). An object that went away meanwhile is told as gone. While the server cannot be
// reached the last known objects stand, and tries come at growing intervals.
//
// A thread of its own lists, watches and calls the handler; everything else may be called from any
// thread. The Api and the clock outlive it.
#pragma once

#include <atomic>
#include <condition_variable>
#include <functional>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "base/backoff.h"
#include "base/clock.h"
#include "platform/kubernetes/client/api.h"
#include "platform/kubernetes/client/object_cache.h"

namespace serin::platform::kubernetes {

struct InformerOptions {
  Target target = {};                     // without a name
  Selection which = {};                   // managedFields are always dropped
  std::chrono::seconds watch_lasts{300};  // up to twice as long, so that not all begin together
  Backoff backoff{std::chrono::milliseconds(400), std::chrono::milliseconds(30'000)};
};

class Informer {
 public:
  // Called in the order of what happened, once the new state can be found; must not block long, and
  // must not destroy the informer.
  using Handler = std::function<void(const Change& change)>;

  Informer(Api& api, InformerOptions options, Handler handler, const Clock& clock);
  ~Informer();

  void start();
  // Whether everything that there was at the beginning has been heard of, and told.
  bool synced() const { return synced_; }
  // Blocks until then; false when it takes longer.
  bool wait_synced(std::chrono::milliseconds at_most);

  const ObjectCache& objects() const { return cache_; }
  // When the server was last heard (of nothing new, too: when it takes a watch, and by a bookmark,
  // about every minute); unset: never. Of the clock.
  std::optional<Instant> heard() const;
  // Why the server is not being heard; empty while it is.
  std::string problem() const;

 private:
  void run();
  Status list();
  Status watch();
  Status take(WatchEvent&& event);
  void tell(const std::vector<Change>& changes);
  void hear();

  Api& api_;
  const InformerOptions options_;
  const Handler handler_;
  const Clock& clock_;
  const CancelToken cancel_;
  ObjectCache cache_;
  std::string version_;     // to watch from; empty: list first
  bool heard_any_ = false;  // since the present watch began
  bool hollow_ = false;     // the last one ended at once: that it is taken means nothing

  mutable std::mutex mutex_;
  std::condition_variable changed_;
  std::optional<Instant> heard_;
  std::string problem_;
  std::atomic<bool> synced_{false};
  std::jthread thread_;
};

}  // namespace serin::platform::kubernetes
