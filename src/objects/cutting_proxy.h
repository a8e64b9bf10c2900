// SPDX-License-Identifier: Apache-2.0
// For tests: a TCP proxy on loopback that cuts connections at a chosen byte. Owned by a test; its
// threads end with it.
#pragma once

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <cstdint>
#include <functional>
#include <limits>
#include <mutex>
#include <thread>
#include <vector>

#include "base/check.h"
#include "base/descriptor.h"

namespace serin::objects {

class CuttingProxy {
 public:
  static constexpr auto kNever = std::numeric_limits<std::uint64_t>::max();
  struct Cuts {
    std::uint64_t up = kNever, down = kNever;  // bytes of one connection, in each direction
    int times = 1;                             // connections that are cut; later ones are not
    std::function<void()> at_cut = [] {};      // called before the connection goes
  };

  CuttingProxy(std::uint16_t target, Cuts cuts) : target_(target), cuts_(std::move(cuts)) {
    listener_ = Descriptor(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    sockaddr_in address = loopback(0);
    socklen_t size = sizeof address;
    SERIN_CHECK(::bind(listener_.get(), reinterpret_cast<sockaddr*>(&address), size) == 0);
    SERIN_CHECK(::listen(listener_.get(), 64) == 0);
    SERIN_CHECK(::getsockname(listener_.get(), reinterpret_cast<sockaddr*>(&address), &size) == 0);
    port_ = ntohs(address.sin_port);
    acceptor_ = std::jthread([this](const std::stop_token& stop) { accept(stop); });
  }
  ~CuttingProxy() {
    acceptor_.request_stop();
    acceptor_.join();
    for (std::jthread& one : connections_) one.request_stop();
  }
  CuttingProxy(const CuttingProxy&) = delete;
  CuttingProxy& operator=(const CuttingProxy&) = delete;

  std::uint16_t port() const { return port_; }
  int cut() const { return cut_; }

 private:
  static sockaddr_in loopback(std::uint16_t port) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    address.sin_port = htons(port);
    return address;
  }

  void accept(const std::stop_token& stop) {
    while (!stop.stop_requested()) {
      pollfd ready{listener_.get(), POLLIN, 0};
      if (::poll(&ready, 1, 20) <= 0) continue;
      Descriptor client(::accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC));
      if (!client.open()) continue;
      connections_.emplace_back(
          [this, held = std::move(client)](const std::stop_token& token) { relay(held, token); });
    }
  }

  void relay(const Descriptor& client, const std::stop_token& stop) {
    const Descriptor server(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    sockaddr_in address = loopback(target_);
    if (::connect(server.get(), reinterpret_cast<sockaddr*>(&address), sizeof address) != 0) return;
    std::uint64_t up = 0, down = 0;
    std::array<pollfd, 2> ends{{{client.get(), POLLIN, 0}, {server.get(), POLLIN, 0}}};
    while (!stop.stop_requested()) {
      if (::poll(ends.data(), ends.size(), 20) <= 0) continue;
      if (ends[0].revents != 0 && !pass(client, server, up, cuts_.up)) return;
      if (ends[1].revents != 0 && !pass(server, client, down, cuts_.down)) return;
    }
  }

  // False when the connection is over.
  bool pass(const Descriptor& from, const Descriptor& to, std::uint64_t& passed,
            std::uint64_t limit) {
    std::array<char, 16384> buffer;
    const ssize_t got = ::recv(from.get(), buffer.data(), buffer.size(), 0);
    if (got <= 0) return false;
    passed += static_cast<std::uint64_t>(got);
    if (passed > limit && may_cut()) {
      cuts_.at_cut();
      return false;
    }
    return ::send(to.get(), buffer.data(), static_cast<std::size_t>(got), MSG_NOSIGNAL) == got;
  }

  bool may_cut() {
    int seen = cut_;
    while (seen < cuts_.times) {
      if (cut_.compare_exchange_weak(seen, seen + 1)) return true;
    }
    return false;
  }

  std::uint16_t target_;
  Cuts cuts_;
  Descriptor listener_;
  std::uint16_t port_ = 0;
  std::atomic<int> cut_ = 0;
  std::vector<std::jthread> connections_;
  std::jthread acceptor_;
};

}  // namespace serin::objects
