// SPDX-License-Identifier: Apache-2.0
#include <cmath>
#include <utility>

#include "platform/kubernetes/objects/services.h"
#include "platform/kubernetes/objects/version.h"
#include "platform/kubernetes/routers/backends.h"
#include "platform/kubernetes/routers/routers.h"

namespace serin::platform::kubernetes {
namespace {

constexpr const char* kApi = "gateway.networking.k8s.io/v1";
constexpr const char* kPoolApi = "inference.networking.k8s.io/v1";
constexpr int kPickerPort = 9002;

// A picker knows the workers of one pool: another version's would be given to its clients.
std::string picker_of(const Route& route, const std::string& label) {
  return route.fields.endpoint_picker + "-" + label;
}

json::object pool_of(const Route& route, const std::string& label) {
  const std::string& service = route.traffic.service;
  const json::object port{{"number", kWorkerPort}};
  return {{"apiVersion", kPoolApi},
          {"kind", "InferencePool"},
          {"metadata", metadata_of(version_name(service, label), route.name_space,
                                   version_labels(service, label), owner_of(route))},
          {"spec",
           {{"selector", {{"matchLabels", version_selector(service, label)}}},
            {"targetPorts", json::array{port}},
            {"endpointPickerRef",
             {{"name", picker_of(route, label)},
              {"port", {{"number", kPickerPort}}},
              {"failureMode", "FailOpen"}}}}}};
}

json::array backends_of(const Route& route) {
  if (route.fields.endpoint_picker.empty()) return backend_refs(route);
  json::array pools;
  for (const std::string& label : labels_of(route))
    pools.emplace_back(json::object{{"group", "inference.networking.k8s.io"},
                                    {"kind", "InferencePool"},
                                    {"name", version_name(route.traffic.service, label)},
                                    {"weight", weight_of(route, label)}});
  return pools;
}

// Gateways that the manifest names, else the service's own Service, for callers in the mesh.
json::array parents_of(const Route& route) {
  json::array parents;
  for (const std::string& gateway : route.fields.gateways) {
    const std::size_t slash = gateway.find('/');
    json::object parent{{"group", "gateway.networking.k8s.io"}, {"kind", "Gateway"}};
    if (slash != std::string::npos) parent["namespace"] = gateway.substr(0, slash);
    parent["name"] = gateway.substr(slash == std::string::npos ? 0 : slash + 1);
    parents.emplace_back(std::move(parent));
  }
  if (parents.empty())
    parents.emplace_back(json::object{{"group", ""},
                                      {"kind", "Service"},
                                      {"name", route.traffic.service},
                                      {"port", kServicePort}});
  return parents;
}

json::object mirror_filter(const json::value& mirror) {
  json::object to{
      {"group", ""}, {"kind", "Service"}, {"name", mirror.at("service")}, {"port", kServicePort}};
  // Percent here is whole; a hundredth of one is as fine as anybody means it.
  constexpr int kParts = 10'000;
  const auto parts = std::llround(mirror.at("percent").to_number<double>() * (kParts / 100.0));
  return {{"type", "RequestMirror"},
          {"requestMirror",
           {{"backendRef", std::move(to)},
            {"fraction", {{"numerator", parts}, {"denominator", kParts}}}}}};
}

json::object rule_of(const Route& route) {
  const json::object& resilience = route.traffic.resilience;
  json::object match{{"path", {{"type", "PathPrefix"}, {"value", "/"}}}};
  json::object rule{{"matches", json::array{std::move(match)}}};
  if (const json::value* mirror = resilience.if_contains("mirror"))
    rule["filters"] = json::array{mirror_filter(*mirror)};
  rule["backendRefs"] = backends_of(route);
  rule["timeouts"] = {{"request", go_duration(resilience.at("timeout"))}};
  return rule;
}

class GatewayApiRouter final : public TrafficRouter {
 public:
  std::vector<json::object> prepare(const Route& route) const override {
    std::vector<json::object> objects = services_of(route, {});
    if (route.fields.endpoint_picker.empty()) return objects;
    for (const std::string& label : labels_of(route)) objects.push_back(pool_of(route, label));
    return objects;
  }

  Result<json::object> set_weights(const Route& route, const json::value&) const override {
    json::object spec{{"parentRefs", parents_of(route)}};
    if (!route.fields.hosts.empty()) {
      json::array hosts;
      for (const std::string& host : route.fields.hosts) hosts.emplace_back(host);
      spec["hostnames"] = std::move(hosts);
    }
    spec["rules"] = json::array{rule_of(route)};
    return json::object{{"apiVersion", kApi},
                        {"kind", "HTTPRoute"},
                        {"metadata", holder_metadata(route)},
                        {"spec", std::move(spec)}};
  }

  Reference holder(const Route& route) const override {
    return {kApi, "HTTPRoute", route.traffic.service};
  }

  Result<Weights> weights(const Route& route, const json::value& live) const override {
    return weights_of(route, live, rules_of(live, kHttpRoute), version_name);
  }

  Result<RouteRemoval> remove(const Route& route, const json::value&) const override {
    RouteRemoval removal{{holder(route), {"v1", "Service", route.traffic.service}}, std::nullopt};
    if (route.fields.endpoint_picker.empty()) return removal;
    for (const std::string& label : labels_of(route))
      removal.gone.push_back(
          {kPoolApi, "InferencePool", version_name(route.traffic.service, label)});
    return removal;
  }
};

}  // namespace

const TrafficRouter& gateway_api_router() {
  static const GatewayApiRouter kRouter;
  return kRouter;
}

}  // namespace serin::platform::kubernetes
