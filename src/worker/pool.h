// SPDX-License-Identifier: Apache-2.0
// Threads for work that would hold up a connection: encoding pictures, sound and video. Owned by
// the Worker.
#pragma once

#include <condition_variable>
#include <deque>
#include <functional>
#include <mutex>
#include <thread>
#include <vector>

namespace serin::worker {

class Pool {
 public:
  explicit Pool(unsigned threads);
  ~Pool();  // runs what waits, then joins

  // Safe from any thread. What waits is bounded by what the engine admits: one task an answer.
  void run(std::function<void()> task);

 private:
  void work();

  std::mutex mutex_;
  std::condition_variable wake_;
  std::deque<std::function<void()>> tasks_;
  bool closing_ = false;
  std::vector<std::thread> threads_;
};

}  // namespace serin::worker
