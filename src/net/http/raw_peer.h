// SPDX-License-Identifier: Apache-2.0
// For tests: a blocking socket that sends exactly the bytes it is told to and shows exactly what
// comes back.
#pragma once

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <chrono>
#include <cstring>
#include <string>
#include <string_view>

namespace serin::net {

class RawPeer {
 public:
  explicit RawPeer(std::uint16_t port, int receive_bytes = 0)
      : fd_(::socket(AF_INET, SOCK_STREAM, 0)) {
    if (receive_bytes > 0)
      ::setsockopt(fd_, SOL_SOCKET, SO_RCVBUF, &receive_bytes, sizeof receive_bytes);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    connected_ = ::connect(fd_, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0;
  }
  explicit RawPeer(const std::string& socket_path) : fd_(::socket(AF_UNIX, SOCK_STREAM, 0)) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    std::memcpy(address.sun_path, socket_path.data(), socket_path.size());
    connected_ = ::connect(fd_, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0;
  }
  ~RawPeer() { close(); }
  RawPeer(const RawPeer&) = delete;
  RawPeer& operator=(const RawPeer&) = delete;

  bool connected() const { return connected_; }
  void close() {
    if (fd_ >= 0) ::close(fd_);
    fd_ = -1;
  }
  void reset() {
    const linger now{1, 0};
    ::setsockopt(fd_, SOL_SOCKET, SO_LINGER, &now, sizeof now);
    close();
  }

  bool send(std::string_view bytes) {
    while (!bytes.empty()) {
      const ssize_t sent = ::send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
      if (sent <= 0) return false;
      bytes.remove_prefix(static_cast<std::size_t>(sent));
    }
    return true;
  }

  // Reads on until what has come holds `text`; gives all of it and forgets it. What came is given
  // also when it does not hold the text after a minute or at the end.
  std::string until(std::string_view text) {
    while (got_.find(text) == std::string::npos && more()) {
    }
    return std::exchange(got_, {});
  }
  std::string exactly(std::size_t bytes) {
    while (got_.size() < bytes && more()) {
    }
    std::string out = got_.substr(0, bytes);
    got_.erase(0, out.size());
    return out;
  }
  // What has been read and not been given yet.
  std::string some() { return std::exchange(got_, {}); }
  std::string until_closed() {
    while (more()) {
    }
    return std::exchange(got_, {});
  }
  bool closed() const { return closed_; }
  bool was_reset() const { return reset_; }

 private:
  bool more() {
    pollfd waiting{fd_, POLLIN, 0};
    if (closed_ || ::poll(&waiting, 1, 60'000) != 1) return false;
    char bytes[16384];
    const ssize_t came = ::recv(fd_, bytes, sizeof bytes, 0);
    if (came <= 0) {
      closed_ = true;
      reset_ = came < 0;
      return false;
    }
    got_.append(bytes, static_cast<std::size_t>(came));
    return true;
  }

  int fd_;
  bool connected_ = false;
  bool closed_ = false;
  bool reset_ = false;
  std::string got_;
};

}  // namespace serin::net
