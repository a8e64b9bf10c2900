// SPDX-License-Identifier: Apache-2.0
// I/O threads that a server and a client have in common: a request that a handler sends on starts,
// is answered and ends on the thread of its exchange, without a lock or a change of threads.
//
// Made first, given to both (ServerOptions::io, ClientOptions::io), and stopped before either is
// destroyed: stop() closes every connection of both.
#pragma once

#include <functional>
#include <memory>
#include <vector>

namespace serin::net {

class Loop;

class IoThreads {
 public:
  static constexpr unsigned kMost = 256;
  static std::shared_ptr<IoThreads> start(unsigned count);  // 1 to kMost
  ~IoThreads();
  IoThreads(const IoThreads&) = delete;
  IoThreads& operator=(const IoThreads&) = delete;

  unsigned size() const { return static_cast<unsigned>(loops_.size()); }
  // Which of them the calling thread is; size() where it is none.
  unsigned here() const;
  // Runs the call on that thread. From any thread; dropped once they were stopped.
  void post(unsigned thread, std::function<void()> call);
  // Calls with its number on each of the threads, every 10 ms while it has a connection.
  void on_tick(const std::function<void(unsigned)>& call);
  // Ends the threads and waits for them. Not from one of them.
  void stop();
  bool stopped() const;

  const std::vector<std::shared_ptr<Loop>>& loops() const { return loops_; }

 private:
  explicit IoThreads(unsigned count);
  std::vector<std::shared_ptr<Loop>> loops_;
};

}  // namespace serin::net
