// SPDX-License-Identifier: Apache-2.0
#include "control/api/scrape.h"

#include <utility>

#include "control/api/measure.h"
#include "control/api/tasks.h"
#include "net/http/error_body.h"
#include "net/http/router.h"
#include "net/http/server.h"

namespace serin::control::api {
namespace {

// "unready" is worth a look, and so is what a worker does while it ends.
bool answers_scrapes(platform::ReplicaState state) {
  using platform::ReplicaState;
  return state == ReplicaState::kReady || state == ReplicaState::kUnready ||
         state == ReplicaState::kStopping;
}

json::object target(std::string_view host, std::string_view path, json::object labels) {
  labels["__metrics_path__"] = path;
  return {{"targets", json::array{host}}, {"labels", std::move(labels)}};
}

using Call = std::function<Result<net::Response>(const net::RequestHead&, const std::string& id)>;

class ScrapeServerImpl final : public ScrapeServer {
 public:
  ScrapeServerImpl(Controller& controller, ScrapeOptions options)
      : controller_(controller), options_(std::move(options)), tasks_(kThreads, kWaiting) {
    add("/metrics", [this](const net::RequestHead& head, const std::string&) {
      return scraped(controller_, head);
    });
    add("/discovery",
        [this](const net::RequestHead& head, const std::string&) { return discovery(head); });
    const auto relayed = [this](const net::RequestHead& head, const std::string& id) {
      return options_.relay(id, head.headers.get("accept"));
    };
    add("/workers/{id}/metrics", relayed);
    add("/gateway/metrics", relayed);
  }
  ~ScrapeServerImpl() override {
    if (server_) server_->drain(std::chrono::seconds(1));
  }

  Status open() {
    net::ServerOptions options;
    options.address = options_.address;
    options.port = options_.port;
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
  void add(std::string_view pattern, const Call& call);
  void handle(const std::shared_ptr<net::Exchange>& exchange);
  Result<net::Response> discovery(const net::RequestHead& head);

  Controller& controller_;
  ScrapeOptions options_;
  net::Router router_;
  Tasks tasks_;
  std::unique_ptr<net::Server> server_;  // goes first: nobody is called after
};

void ScrapeServerImpl::add(std::string_view pattern, const Call& call) {
  router_.add("GET", pattern,
              [this, call](const std::shared_ptr<net::Exchange>& exchange,
                           const net::PathParameters& path) {
                const auto found = path.find("id");
                const std::string id = found == path.end() ? "gateway" : found->second;
                tasks_.answer(exchange,
                              [head = exchange->head(), id, &call] { return call(head, id); });
              });
}

void ScrapeServerImpl::handle(const std::shared_ptr<net::Exchange>& exchange) {
  const auto match = router_.match(exchange->head().method, exchange->head().path);
  if (match.handler != nullptr) return (*match.handler)(exchange, match.parameters);
  exchange->respond(net::error_response(
      {Code::kNotFound,
       "there are GET /metrics, /gateway/metrics, /workers/ID/metrics and /discovery",
       "unknown_url"}));
}

Result<net::Response> ScrapeServerImpl::discovery(const net::RequestHead& head) {
  net::Response response;
  response.headers.add("content-type", "application/json");
  response.body = json::serialize(targets_of(controller_.list(), head.authority));
  return response;
}

}  // namespace

json::array targets_of(const std::vector<ServiceView>& views, std::string_view host) {
  json::array targets;
  targets.push_back(target(host, "/metrics", {{"component", "control"}, {"instance", "control"}}));
  targets.push_back(
      target(host, "/gateway/metrics", {{"component", "gateway"}, {"instance", "gateway"}}));
  for (const ServiceView& view : views) {
    for (const platform::VersionStatus& version : view.seen.versions) {
      for (const platform::ReplicaStatus& replica : version.replicas) {
        if (!answers_scrapes(replica.state)) continue;
        targets.push_back(target(host, "/workers/" + replica.id + "/metrics",
                                 {{"component", "worker"},
                                  {"instance", replica.id},
                                  {"service", view.record.name},
                                  {"version", version.label}}));
      }
    }
  }
  return targets;
}

Result<std::unique_ptr<ScrapeServer>> ScrapeServer::create(Controller& controller,
                                                           ScrapeOptions options) {
  auto made = std::make_unique<ScrapeServerImpl>(controller, std::move(options));
  SERIN_TRY(made->open());
  return std::unique_ptr<ScrapeServer>(std::move(made));
}

}  // namespace serin::control::api
