// SPDX-License-Identifier: Apache-2.0
// Writes what happens to services as Events of the cluster, on a thread of its own, so that nobody
// waits for them. They are for people: the ledger has them all, and those that come while too many
// wait are left out here. Any thread; the recorder outlives it.
#pragma once

#include <condition_variable>
#include <deque>
#include <mutex>
#include <thread>

#include "control/record.h"
#include "platform/kubernetes/client/events.h"

namespace serin::cluster {

class Announcer {
 public:
  static constexpr std::size_t kWaiting = 1000;

  explicit Announcer(platform::kubernetes::EventRecorder& recorder);
  ~Announcer();  // what waits by then is not written

  // `about`: the GenerativeService, with its apiVersion, kind, name, namespace and uid.
  void announce(json::object about, const control::Event& event);

 private:
  struct Waiting {
    json::object about;
    platform::kubernetes::EventText text;
  };
  void run(const std::stop_token& stop);

  platform::kubernetes::EventRecorder& recorder_;
  std::mutex mutex_;
  std::condition_variable_any changed_;
  std::deque<Waiting> waiting_;
  std::jthread thread_;
};

}  // namespace serin::cluster
