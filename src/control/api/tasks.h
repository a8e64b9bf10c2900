// SPDX-License-Identifier: Apache-2.0
// Threads for calls that wait: for the controller's lock, for a package to be fetched. Owned by the
// API's server; safe from any thread. What waits for a thread is bounded.
#pragma once

#include <condition_variable>
#include <deque>
#include <functional>
#include <mutex>
#include <thread>
#include <vector>

#include "base/error.h"

namespace serin::control::api {

class Tasks {
 public:
  Tasks(unsigned threads, std::size_t waiting);
  ~Tasks();  // runs what waits, then joins

  // kResourceExhausted when too much waits.
  Status run(std::function<void()> task);

 private:
  void work();

  const std::size_t limit_;
  std::mutex mutex_;
  std::condition_variable wake_;
  std::deque<std::function<void()>> tasks_;
  bool closing_ = false;
  std::vector<std::thread> threads_;
};

}  // namespace serin::control::api
