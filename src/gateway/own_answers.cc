// SPDX-License-Identifier: Apache-2.0
#include "gateway/own_answers.h"

#include <algorithm>

#include "base/json.h"
#include "base/words.h"
#include "net/grpc/frame.h"
#include "net/http/error_body.h"
#include "telemetry/server_metrics.h"

namespace serin::gateway {
namespace {

void answer_json(net::Exchange& exchange, const json::value& body, std::uint16_t status = 200) {
  exchange.respond({status, {{"content-type", "application/json"}}, json::serialize(body)});
}

json::value list_of(const Table& table) {
  json::array services;
  for (const auto& [name, service] : table.services)
    services.push_back(
        json::object{{"id", name}, {"object", "model"}, {"created", 0}, {"owned_by", "serin"}});
  return json::object{{"object", "list"}, {"data", std::move(services)}};
}

bool metrics_are_public(const Core& core, const Table& table) {
  using enum GatewayOptions::PublicMetrics;
  if (core.public_metrics != kAuto) return core.public_metrics == kOn;
  return std::ranges::all_of(table.services,
                             [](const auto& entry) { return entry.second.access.open(); });
}

void answer_metrics(const Core& core, const Table& table, net::Exchange& exchange) {
  if (!metrics_are_public(core, table))
    return exchange.respond(net::error_response(
        {Code::kPermissionDenied,
         "metrics are not public here: the admin socket and the port of `serin up --metrics-port` "
         "have them, or start the gateway with --public-metrics on",
         "metrics_not_public"}));
  exchange.respond(telemetry::scraped(core.registry, exchange.head()));
}

// KServe's ServerLive and ServerReady: a message of one flag.
bool answer_grpc_health(const Core& core, const Table& table, net::Exchange& exchange) {
  const net::RequestHead& head = exchange.head();
  const bool live = head.path == "/inference.GRPCInferenceService/ServerLive";
  const bool ready = head.path == "/inference.GRPCInferenceService/ServerReady";
  if (!net::grpc::is_grpc(head) || (!live && !ready)) return false;
  constexpr std::string_view kTrue = "\x08\x01";
  const bool yes = live || is_ready(core, table);
  exchange.start({200, {{"content-type", "application/grpc"}}});
  exchange.write(net::grpc::frame(yes ? kTrue : std::string_view{}));
  exchange.finish({{"grpc-status", "0"}});
  return true;
}

bool answer_get(const Core& core, const Table& table, net::Exchange& exchange) {
  const std::string& path = exchange.head().path;
  if (path == "/health/live" || path == "/health/startup" || path == "/v2/health/live") {
    answer_json(exchange, {{"status", "live"}, {"live", true}});
  } else if (path == "/health/ready" || path == "/v2/health/ready") {
    const bool ready = is_ready(core, table);
    answer_json(exchange, {{"status", ready ? "ready" : "not_ready"}, {"ready", ready}},
                ready ? 200 : 503);
  } else if (path == "/metrics") {
    answer_metrics(core, table, exchange);
  } else if (path == "/v1/models") {
    answer_json(exchange, list_of(table));
  } else if (path == "/v2") {
    answer_json(exchange, {{"name", "serin"}, {"extensions", json::array{}}});
  } else if (path == "/openapi.json" && table.services.size() > 1) {
    exchange.respond(net::error_response(
        Error{Code::kNotFound,
              "each service describes itself: /services/NAME/openapi.json, of " +
                  listed(table.names(), "and"),
              "unknown_url"}));
  } else {
    return false;
  }
  return true;
}

}  // namespace

bool is_ready(const Core& core, const Table& table) {
  return table.config.revision > 0 && !core.draining.load(std::memory_order_relaxed);
}

bool answer_own(const Core& core, const Table& table, net::Exchange& exchange) {
  const net::RequestHead& head = exchange.head();
  if (head.headers.find("serin-service")) return false;
  if (head.method == "GET") return answer_get(core, table, exchange);
  return head.http2 && answer_grpc_health(core, table, exchange);
}

void answer_error(net::Exchange& exchange, const Error& error, std::string_view request_id) {
  net::Response response;
  if (net::grpc::is_grpc(exchange.head())) {
    response.headers.add("content-type", "application/grpc");
    response.headers.add("grpc-status", std::to_string(static_cast<int>(error.code)));
    response.headers.add("grpc-message", net::grpc::encode_message(error.message));
  } else {
    response = net::error_response(error);
  }
  response.headers.set("x-request-id", request_id);
  exchange.respond(std::move(response));
}

}  // namespace serin::gateway
