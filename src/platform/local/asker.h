// SPDX-License-Identifier: Apache-2.0
// Asks workers and the gateway over their sockets without waiting: answers are collected until the
// supervisor's thread takes them. ask() and take() from that thread; an HTTP client's thread fills
// what is taken.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "base/descriptor.h"
#include "net/http/client.h"

namespace serin::platform::local {

struct Answer {
  enum class About : std::uint8_t { kReplica, kGateway, kConfig } about = About::kReplica;
  std::int64_t serial = 0;
  std::uint64_t revision = 0;  // of a configuration
  int status = 0;              // of HTTP; 0: it did not answer
  std::string body;            // its first kBodyBytes
};

class Asker {
 public:
  static constexpr std::size_t kBodyBytes = 16 * 1024;

  static Result<std::unique_ptr<Asker>> create();

  // One answer comes for each call, at the latest when `within` is over.
  void ask(Answer about, net::ClientRequest request);
  std::vector<Answer> take();
  // Readable when there is something to take; wake() makes it so.
  int descriptor() const;
  void wake() const;

  net::Client& client() { return *client_; }

 private:
  struct Box;
  Asker(std::shared_ptr<Box> box, std::unique_ptr<net::Client> client);
  std::shared_ptr<Box> box_;
  std::unique_ptr<net::Client> client_;
};

// A request to `path` at a Unix socket.
net::ClientRequest get_from(const std::string& socket, const std::string& path,
                            std::chrono::milliseconds within);

}  // namespace serin::platform::local
