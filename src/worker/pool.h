// SPDX-License-Identifier: Apache-2.0
// Threads for work that would hold up a connection: reading large requests, decoding and encoding
// pictures, sound and video. Owned by the Worker; safe from any thread.
//
// What waits is bounded. New work beyond `waiting` tasks is refused. Work on an answer that the
// engine has made is not, and goes first: it is paid for, and there is never more of it than the
// engine admits. A task that throws costs nobody else anything; what its client is told is the
// task's own affair (Call::compute).
#pragma once

#include <array>
#include <condition_variable>
#include <cstddef>
#include <deque>
#include <functional>
#include <mutex>
#include <thread>
#include <vector>

#include "base/error.h"

namespace serin::worker {

class Pool {
 public:
  enum class Work { kAnswer, kNew };

  Pool(unsigned threads, std::size_t waiting);
  ~Pool();  // runs what waits, then joins

  // kResourceExhausted (pool_full) when too much waits.
  Status run(Work work, std::function<void()> task);
  std::size_t waiting() const;

 private:
  void work();
  std::function<void()> next();  // empty: it is over

  const std::size_t limit_;
  mutable std::mutex mutex_;
  std::condition_variable wake_;
  std::array<std::deque<std::function<void()>>, 2> tasks_;  // by Work, the first first
  bool closing_ = false;
  std::vector<std::thread> threads_;
};

}  // namespace serin::worker
