// SPDX-License-Identifier: Apache-2.0
// Listening sockets: binding with errors that say what is wrong, and accepting on a loop.
// Owned by a server; start() and stop() are for the loop's thread, the destructor for any once the
// loop has ended.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "base/error.h"
#include "net/io/loop.h"

namespace serin::net {

// A file descriptor with an owner.
class OwnedFd {
 public:
  explicit OwnedFd(int fd = -1) : fd_(fd) {}
  ~OwnedFd();
  OwnedFd(OwnedFd&& other) noexcept : fd_(other.release()) {}
  OwnedFd& operator=(OwnedFd&& other) noexcept;
  int get() const { return fd_; }
  int release() {
    const int fd = fd_;
    fd_ = -1;
    return fd;
  }

 private:
  int fd_;
};

// kAlreadyExists when the address is taken, kInvalidArgument when it is none.
Result<OwnedFd> listen_tcp(const std::string& address, std::uint16_t port);
// A listening socket that this process was given, by its number. kInvalidArgument when it is none.
Result<OwnedFd> inherited_listener(int fd);
// Removes a socket file that nobody listens on; kAlreadyExists when somebody does. For a process
// that will soon not be allowed to connect, which is how one finds out.
Status clear_stale_socket(const std::string& path);
// A socket file that nobody listens on is replaced; mode 0600.
Result<OwnedFd> listen_unix(const std::string& path);
std::uint16_t port_of(int fd);
// Who is at the other end of a Unix socket, as the kernel says; nullopt for any other socket.
std::optional<std::uint32_t> user_of_peer(int fd);

class Listener {
 public:
  using Accepted = std::function<void(OwnedFd)>;
  Listener(Loop& loop, OwnedFd fd, Accepted accepted);
  ~Listener();
  void start();
  // Accepts what is waiting, then no more.
  void stop();

 private:
  struct Impl;
  std::shared_ptr<Impl> impl_;
};

}  // namespace serin::net
