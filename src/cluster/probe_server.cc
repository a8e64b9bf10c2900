// SPDX-License-Identifier: Apache-2.0
#include "cluster/probe_server.h"

#include <utility>

#include "control/api/tasks.h"
#include "net/http/error_body.h"
#include "net/http/router.h"
#include "net/http/server.h"

namespace serin::cluster {
namespace {

constexpr unsigned kThreads = 1;
constexpr std::size_t kWaiting = 16;  // requests; further ones get 429

class ProbeServerImpl final : public ProbeServer {
 public:
  explicit ProbeServerImpl(Operator& of) : operator_(of), tasks_(kThreads, kWaiting) {
    router_.add("GET", "/health/live", [](const auto& exchange, const net::PathParameters&) {
      exchange->respond({200, {}, "it answers\n"});
    });
    router_.add("GET", "/health/ready", [this](const auto& exchange, const net::PathParameters&) {
      const std::string problem = operator_.problem();
      if (problem.empty()) return exchange->respond({200, {}, "it hears the cluster\n"});
      exchange->respond(net::error_response({Code::kUnavailable, problem}));
    });
    router_.add("GET", "/metrics", [this](const auto& exchange, const net::PathParameters&) {
      tasks_.answer(exchange, [this]() -> Result<net::Response> {
        return net::Response{
            200,
            {{"content-type",
              std::string(telemetry::content_type(telemetry::Exposition::kPrometheus))}},
            operator_.expose()};
      });
    });
  }
  ~ProbeServerImpl() override {
    if (server_) server_->drain(std::chrono::seconds(1));
  }

  Status open(std::string address, std::uint16_t port) {
    net::ServerOptions options;
    options.address = std::move(address);
    options.port = port;
    options.limits.connections = 64;
    options.limits.body_bytes = 1024;
    SERIN_TRY_ASSIGN(
        server_, net::Server::create(
                     std::move(options),
                     [this](const std::shared_ptr<net::Exchange>& exchange) { handle(exchange); }));
    return {};
  }
  std::uint16_t port() const override { return server_->port(); }

 private:
  void handle(const std::shared_ptr<net::Exchange>& exchange) {
    const auto match = router_.match(exchange->head().method, exchange->head().path);
    if (match.handler != nullptr) return (*match.handler)(exchange, match.parameters);
    exchange->respond(net::error_response({Code::kNotFound,
                                           "there are GET /health/live, /health/ready and /metrics",
                                           "unknown_url"}));
  }

  Operator& operator_;
  net::Router router_;
  control::api::Tasks tasks_;
  std::unique_ptr<net::Server> server_;  // goes first: nobody is called after
};

}  // namespace

Result<std::unique_ptr<ProbeServer>> ProbeServer::create(Operator& of, std::string address,
                                                         std::uint16_t port) {
  auto made = std::make_unique<ProbeServerImpl>(of);
  SERIN_TRY(made->open(std::move(address), port));
  return std::unique_ptr<ProbeServer>(std::move(made));
}

}  // namespace serin::cluster
