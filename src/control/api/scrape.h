// SPDX-License-Identifier: Apache-2.0
// A TCP port for Prometheus, which reads no Unix sockets: the control plane's metrics, those of the
// gateway and of each worker, which are asked when they are, and the list of all of them in the
// form of its service discovery (https://prometheus.io/docs/prometheus/latest/http_sd/).
//
// | GET | what                                                                     |
// | /metrics            | the control plane                                        |
// | /gateway/metrics    | the gateway                                              |
// | /workers/ID/metrics | one worker                                               |
// | /discovery          | these, with labels: component, instance, service, version|
//
// It answers everybody who can reach it, and nothing else. Threads: one I/O thread, and kThreads
// that wait for the controller's lock or for an answer.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "control/controller.h"
#include "net/http/message.h"

namespace serin::control::api {

struct ScrapeOptions {
  std::string address = "127.0.0.1";
  std::uint16_t port = 0;  // 0: any free one
  // What a process on a Unix socket says of itself: a replica by its id, or "gateway". Blocks.
  std::function<Result<net::Response>(const std::string& process, std::string_view accept)> relay;
};

class ScrapeServer {
 public:
  static constexpr unsigned kThreads = 2;
  static constexpr std::size_t kWaiting = 64;  // requests; further ones get 429

  // The controller outlives it. kAlreadyExists when the port is taken.
  static Result<std::unique_ptr<ScrapeServer>> create(Controller& controller,
                                                      ScrapeOptions options);
  virtual ~ScrapeServer() = default;
  virtual std::uint16_t port() const = 0;
};

// What /discovery says to who came by `host` ("127.0.0.1:9464"). Workers that load answer no scrape
// yet and are left out. Pure.
json::array targets_of(const std::vector<ServiceView>& views, std::string_view host);

}  // namespace serin::control::api
