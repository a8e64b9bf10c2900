// SPDX-License-Identifier: Apache-2.0
#include "worker/api/routes.h"

#include <algorithm>
#include <iterator>

#include "base/bearer.h"
#include "net/http/error_body.h"
#include "worker/api/relay/relay_routes.h"
#include "worker/keys.h"

namespace serin::worker::api {
namespace {

Error no_such_route(const net::RequestHead& head) {
  return {Code::kNotFound,
          "there is nothing at " + head.method + " " + head.path +
              "; /openapi.json lists what there is",
          "unknown_url"};
}

net::Response wrong_method(const net::RequestHead& head, const std::vector<std::string>& allowed) {
  std::string list;
  for (const std::string& method : allowed) list += (list.empty() ? "" : ", ") + method;
  net::Response response = net::error_response(
      {Code::kInvalidArgument, head.path + " answers " + list + ", not " + head.method,
       "wrong_method"});
  response.status = 405;
  response.headers.set("allow", list);
  return response;
}

}  // namespace

std::vector<Route> routes_of(const model::Manifest& manifest) {
  std::vector<Route> all;
  const auto add = [&](std::vector<Route> routes) {
    std::ranges::move(routes, std::back_inserter(all));
  };
  add(health_routes());
  add(document_routes());
  if (manifest.relayed()) {
    add(relay_routes(manifest));
    return all;
  }
  for (auto* make : {&generate_routes, &openai_routes, &predict_routes, &grpc_routes}) add(make());
  return all;
}

Routes::Routes(const Context& context) : context_(context) {
  telemetry::Registry& registry = context.metrics.registry();
  auto measured = [&](const std::string& pattern) {
    return metrics_.emplace_back(std::make_unique<RouteMetrics>(registry, pattern)).get();
  };
  unmatched_ = measured("unmatched");
  for (Route& route : routes_of(context.package.manifest)) {
    auto call = [this, handler = std::move(route.handler), open = route.open,
                 metrics = measured(route.pattern)](std::shared_ptr<net::Exchange> exchange,
                                                    const net::PathParameters& parameters) {
      auto made = std::make_shared<Call>(context_, std::move(exchange), *metrics);
      if (!open && !admitted(made->head())) {
        return made->fail({Code::kUnauthenticated,
                           "this worker wants a key: Authorization: Bearer KEY",
                           "invalid_api_key"});
      }
      made->guarded([&] { handler(made, parameters); });
    };
    router_.add(route.method, route.pattern, std::move(call));
  }
}

bool Routes::admitted(const net::RequestHead& head) const {
  if (context_.options.key_hashes.empty()) return true;
  const std::string_view key = bearer_key(head.headers.get("authorization"));
  return !key.empty() && known_key(key, context_.options.key_hashes);
}

void Routes::handle(std::shared_ptr<net::Exchange> exchange) const {
  const auto match = router_.match(exchange->head().method, exchange->head().path);
  if (match.handler != nullptr) return (*match.handler)(std::move(exchange), match.parameters);
  auto call = std::make_shared<Call>(context_, std::move(exchange), *unmatched_);
  if (match.allowed.empty()) return call->fail(no_such_route(call->head()));
  call->respond(wrong_method(call->head(), match.allowed));
}

}  // namespace serin::worker::api
