// SPDX-License-Identifier: Apache-2.0
#include <utility>

#include "platform/kubernetes/objects/services.h"
#include "platform/kubernetes/routers/backends.h"
#include "platform/kubernetes/routers/routers.h"

namespace serin::platform::kubernetes {
namespace {

constexpr const char* kApi = "networking.istio.io/v1";
// Before the first byte, and nothing that a worker has said of the request itself.
constexpr std::string_view kRetryOn =
    "connect-failure,refused-stream,reset-before-request,unavailable,gateway-error";

bool fails_over(const Route& route) {
  const json::value* fallback = route.traffic.resilience.if_contains("fallback");
  return fallback != nullptr && fallback->at("otherVersion").as_bool();
}

// A Service of all pods of the service, of which those of one version come first: what a route that
// may fall back to the other version names in place of that version's own.
std::string failover_name(std::string_view service, std::string_view label) {
  return version_name(service, std::string(label) + "-first");
}
std::string host_of(const Route& route, std::string_view label) {
  return fails_over(route) ? failover_name(route.traffic.service, label)
                           : version_name(route.traffic.service, label);
}

json::object destination(std::string_view host) {
  return {{"host", host}, {"port", {{"number", kServicePort}}}};
}

json::object connection_pool(const json::value& pool) {
  return {{"tcp", {{"maxConnections", pool.at("maxConnections")}}},
          {"http",
           {{"http1MaxPendingRequests", pool.at("maxPendingRequests")},
            {"maxRequestsPerConnection", pool.at("maxRequestsPerConnection")},
            // HTTP/1.1 and gRPC share a worker's port.
            {"useClientProtocol", true}}}};
}

json::object load_balancer(const Route& route, std::string_view label) {
  const bool in_turn = route.traffic.resilience.at("loadBalancer") == "roundRobin";
  json::object made{{"simple", in_turn ? "ROUND_ROBIN" : "LEAST_REQUEST"}};
  if (!fails_over(route)) return made;
  const std::string own = std::string(kVersionLabel) + "=" + std::string(label);
  made["localityLbSetting"] = {{"enabled", true}, {"failoverPriority", json::array{own}}};
  return made;
}

json::object outlier_detection(const json::value& breaker) {
  return {{"consecutive5xxErrors", breaker.at("consecutive5xxErrors")},
          {"consecutiveGatewayErrors", breaker.at("consecutiveGatewayErrors")},
          {"interval", go_duration(breaker.at("interval"))},
          {"baseEjectionTime", go_duration(breaker.at("baseEjectionTime"))},
          {"maxEjectionPercent", breaker.at("maxEjectionPercent")}};
}

json::object destination_rule(const Route& route, const std::string& label) {
  const json::object& resilience = route.traffic.resilience;
  const json::value& retries = resilience.at("retries");
  const std::string& service = route.traffic.service;
  return {{"apiVersion", kApi},
          {"kind", "DestinationRule"},
          {"metadata", metadata_of(version_name(service, label), route.name_space,
                                   version_labels(service, label), owner_of(route))},
          {"spec",
           {{"host", host_of(route, label)},
            {"trafficPolicy",
             {{"connectionPool", connection_pool(resilience.at("connectionPool"))},
              {"loadBalancer", load_balancer(route, label)},
              {"outlierDetection", outlier_detection(resilience.at("circuitBreaker"))},
              {"retryBudget",
               {{"percent", percent_of_share(retries.at("budget"))},
                {"minRetryConcurrency", retries.at("minRetryConcurrency")}}}}}}}};
}

json::array destinations(const Route& route) {
  json::array all;
  for (const std::string& label : labels_of(route))
    all.emplace_back(json::object{{"destination", destination(host_of(route, label))},
                                  {"weight", weight_of(route, label)}});
  return all;
}

json::object retries_of(const json::value& retries) {
  json::object made{{"attempts", retries.at("attempts")}};
  if (retries.at("attempts") == 0) return made;
  made["retryOn"] = kRetryOn;
  made["backoff"] = go_duration(retries.at("backoff"));
  return made;
}

// Where requests go, whatever they are.
json::object rule_of(const Route& route) {
  const json::object& resilience = route.traffic.resilience;
  json::object rule{{"route", destinations(route)},
                    {"timeout", go_duration(resilience.at("timeout"))},
                    {"retries", retries_of(resilience.at("retries"))}};
  if (const json::value* mirror = resilience.if_contains("mirror")) {
    const json::object copies{
        {"destination", destination(std::string_view(mirror->at("service").as_string()))},
        {"percentage", {{"value", mirror->at("percent")}}}};
    rule["mirrors"] = json::array{copies};
  }
  return rule;
}

json::object fault_of(const json::value& fault) {
  json::object made;
  if (const json::value* delay = fault.as_object().if_contains("delay"))
    made["delay"] = {{"percentage", {{"value", delay->at("percentage")}}},
                     {"fixedDelay", go_duration(delay->at("fixedDelay"))}};
  if (const json::value* abort = fault.as_object().if_contains("abort"))
    made["abort"] = {{"percentage", {{"value", abort->at("percentage")}}},
                     {"httpStatus", abort->at("httpStatus")}};
  return made;
}

// One rule; with a fault for some requests one for these before it.
json::array http_of(const Route& route) {
  json::object rule = rule_of(route);
  const json::value* fault = route.traffic.resilience.if_contains("fault");
  json::object injected = fault == nullptr ? json::object() : fault_of(*fault);
  if (injected.empty()) return {std::move(rule)};
  json::object hit = rule;
  hit["fault"] = std::move(injected);
  const json::value* header = fault->as_object().if_contains("header");
  if (header == nullptr) return {std::move(hit)};
  // A header that is there, whatever it says.
  const json::object match{{"headers", {{header->as_string(), json::object()}}}};
  hit["match"] = json::array{match};
  return {std::move(hit), std::move(rule)};
}

json::array texts(std::string_view first, const std::vector<std::string>& others) {
  json::array all{first};
  for (const std::string& other : others) all.emplace_back(other);
  return all;
}

constexpr RulePlaces kVirtualService = {"http", "route", "/destination/host", "destination.host"};

class IstioRouter final : public TrafficRouter {
 public:
  std::vector<json::object> prepare(const Route& route) const override {
    std::vector<json::object> objects = services_of(route, {});
    const std::string& service = route.traffic.service;
    for (const std::string& label : labels_of(route)) {
      if (fails_over(route))
        objects.push_back(backend_service_of(failover_name(service, label), route.name_space,
                                             version_labels(service, label),
                                             service_selector(service), owner_of(route)));
      objects.push_back(destination_rule(route, label));
    }
    return objects;
  }

  Result<json::object> set_weights(const Route& route, const json::value&) const override {
    json::object spec{{"hosts", texts(route.traffic.service, route.fields.hosts)}};
    // Those inside the mesh have no gateway.
    if (!route.fields.gateways.empty()) spec["gateways"] = texts("mesh", route.fields.gateways);
    spec["http"] = http_of(route);
    return json::object{{"apiVersion", kApi},
                        {"kind", "VirtualService"},
                        {"metadata", holder_metadata(route)},
                        {"spec", std::move(spec)}};
  }

  Reference holder(const Route& route) const override {
    return {kApi, "VirtualService", route.traffic.service};
  }

  Result<Weights> weights(const Route& route, const json::value& live) const override {
    return weights_of(route, live, rules_of(live, kVirtualService),
                      fails_over(route) ? failover_name : version_name);
  }

  Result<RouteRemoval> remove(const Route& route, const json::value&) const override {
    RouteRemoval removal{{holder(route), {"v1", "Service", route.traffic.service}}, std::nullopt};
    const std::string& service = route.traffic.service;
    for (const std::string& label : labels_of(route)) {
      removal.gone.push_back({kApi, "DestinationRule", version_name(service, label)});
      if (fails_over(route)) removal.gone.push_back({"v1", "Service", host_of(route, label)});
    }
    return removal;
  }
};

}  // namespace

const TrafficRouter& istio_router() {
  static const IstioRouter kRouter;
  return kRouter;
}

}  // namespace serin::platform::kubernetes
