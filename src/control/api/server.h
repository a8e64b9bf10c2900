// SPDX-License-Identifier: Apache-2.0
// The control API: HTTP with JSON on a Unix socket, for the user that runs the control plane and
// for root (the kernel says who is at the other end); where it is asked for also on a TCP port,
// with TLS and for bearer keys alone. Every change is a line of the log, with who asked for it.
// control/api/operations.h lists it.
//
// Threads: an I/O thread for each of both, and kThreads that wait for the controller or for a
// package.
#pragma once

#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "control/controller.h"
#include "net/http/server.h"

namespace serin::control::api {

struct NetworkOptions {
  std::string address;
  std::uint16_t port = 0;  // 0: any free one; see Server::port()
  net::TlsFiles tls;
  std::filesystem::path keys;  // control/api/keys.h
};

struct ServerOptions {
  std::string socket;
  std::optional<NetworkOptions> network;  // none: the socket alone
  json::object status;                    // what /v1/status says
  std::function<void()> stop;             // from one of the server's threads; must not wait
};

class Server {
 public:
  static constexpr unsigned kThreads = 4;
  static constexpr std::size_t kWaiting = 64;  // requests; further ones get 429

  // The controller outlives it. kAlreadyExists when another control plane listens there.
  static Result<std::unique_ptr<Server>> create(Controller& controller, ServerOptions options);
  virtual ~Server() = default;

  virtual std::uint16_t port() const = 0;  // 0 without a network
};

}  // namespace serin::control::api
