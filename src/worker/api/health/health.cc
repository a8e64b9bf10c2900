// SPDX-License-Identifier: Apache-2.0
// Liveness, readiness, start-up and metrics: for orchestrators and scrapers, without a key.
#include "telemetry/server_metrics.h"
#include "worker/api/routes.h"

namespace serin::worker::api {
namespace {

void live(const std::shared_ptr<Call>& call, const net::PathParameters&) {
  call->respond_json({{"status", "live"}});
}

void ready(const std::shared_ptr<Call>& call, const net::PathParameters&) {
  const Readiness now = call->context().readiness();
  json::object body{{"status", now.ready ? "ready" : "not_ready"}, {"reason", now.reason}};
  // For a platform that has to know which workers give the same results.
  for (const auto& field : call->origin()) body.insert(field);
  call->respond_json(body, now.ready ? 200 : 503);
}

void metrics(const std::shared_ptr<Call>& call, const net::PathParameters&) {
  call->respond(telemetry::scraped(call->context().metrics.registry(), call->head()));
}

}  // namespace

std::vector<Route> health_routes() {
  // While the model is still loading the Worker answers in their place: an answer from here means
  // started.
  return {{"GET", "/health/live", live, true},
          {"GET", "/health/startup", live, true},
          {"GET", "/health/ready", ready, true},
          {"GET", "/metrics", metrics, true}};
}

}  // namespace serin::worker::api
