// SPDX-License-Identifier: Apache-2.0
// The list of everything a worker answers. Each API adds its own routes; api/routes.cc is the one
// place that names them.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "net/http/router.h"
#include "worker/api/call.h"
#include "worker/api/context.h"

namespace serin::worker::api {

using CallHandler = std::function<void(const std::shared_ptr<Call>&, const net::PathParameters&)>;

struct Route {
  std::string method;
  std::string pattern;  // net::Router's
  CallHandler handler;
  bool open = false;  // answered without a key: health and metrics
};

std::vector<Route> health_routes();
std::vector<Route> document_routes();
std::vector<Route> generate_routes();
std::vector<Route> openai_routes();
std::vector<Route> predict_routes();
std::vector<Route> grpc_routes();

// All of a package's worker.
std::vector<Route> routes_of(const model::Manifest& manifest);

// Checks keys, finds the route, makes the Call. Built before the server starts; then safe from any
// thread.
class Routes {
 public:
  explicit Routes(const Context& context);
  void handle(std::shared_ptr<net::Exchange> exchange) const;

 private:
  bool admitted(const net::RequestHead& head) const;

  const Context& context_;
  net::Router router_;
  std::vector<std::unique_ptr<RouteMetrics>> metrics_;
  RouteMetrics* unmatched_;
};

}  // namespace serin::worker::api
