// SPDX-License-Identifier: Apache-2.0
// Threads for requests whose answer waits: for the controller's lock, for a package to be fetched.
// Owned by a server of the control plane. What waits for a thread is bounded.
#pragma once

#include <condition_variable>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

#include "base/error.h"
#include "net/http/server.h"

namespace serin::control::api {

class Tasks {
 public:
  Tasks(unsigned threads, std::size_t waiting);
  ~Tasks();  // runs what waits, then joins

  using Call = std::function<Result<net::Response>()>;
  // Answers with what `call` gives, after `seen` saw it; both run on a thread of ours. Where too
  // much waits, with 429, and neither runs. From the exchange's thread.
  void answer(
      const std::shared_ptr<net::Exchange>& exchange, Call call,
      std::function<void(const net::Response&)> seen = [](const auto&) {});

 private:
  Status run(std::function<void()> task);
  void work();

  const std::size_t limit_;
  std::mutex mutex_;
  std::condition_variable wake_;
  std::deque<std::function<void()>> tasks_;
  bool closing_ = false;
  std::vector<std::thread> threads_;
};

}  // namespace serin::control::api
