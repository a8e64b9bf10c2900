// SPDX-License-Identifier: Apache-2.0
// Looks up the addresses of hosts for one loop: on a thread of its own, made when it is first
// needed, since the system's function for it blocks. Addresses written as numbers need none. For
// the loop's thread; destroyed once that has ended, it waits for the lookup under way.
#pragma once

#include <sys/socket.h>

#include <condition_variable>
#include <cstdint>
#include <deque>
#include <functional>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "base/error.h"

namespace serin::net {

class Loop;

// Where a TCP connection goes to.
struct Address {
  sockaddr_storage bytes{};
  socklen_t size = 0;
};

// The address written as numbers; none where `host` is no such address.
std::vector<Address> numeric_address(const std::string& host, std::uint16_t port);

class Resolver {
 public:
  using Found = std::function<void(Result<std::vector<Address>>)>;

  explicit Resolver(Loop& loop) : loop_(loop) {}
  ~Resolver();
  Resolver(const Resolver&) = delete;
  Resolver& operator=(const Resolver&) = delete;

  // Calls back on the loop's thread, never before it returns; kNotFound with the system's words.
  void look_up(std::string host, std::uint16_t port, Found found);

 private:
  struct Question {
    std::string host;
    std::uint16_t port = 0;
    Found found;
  };
  void run();

  Loop& loop_;
  std::thread thread_;
  std::mutex mutex_;  // guards what follows
  std::condition_variable changed_;
  std::deque<Question> questions_;
  bool ended_ = false;
};

}  // namespace serin::net
