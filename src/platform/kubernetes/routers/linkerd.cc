// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <string>
#include <utility>

#include "platform/kubernetes/objects/services.h"
#include "platform/kubernetes/routers/backends.h"
#include "platform/kubernetes/routers/routers.h"

namespace serin::platform::kubernetes {
namespace {

constexpr const char* kApi = "policy.linkerd.io/v1beta3";

// Its annotations take one unit, and not "1m30s".
std::string one_unit(std::int64_t milliseconds) {
  return milliseconds % 1000 == 0 ? std::to_string(milliseconds / 1000) + "s"
                                  : std::to_string(milliseconds) + "ms";
}

// How Linkerd's proxies leave out a worker that fails. It is read of the Service that clients call,
// and holds for every backend that its route sends them to. 0 errors in a row: they never do.
json::object accrual_of(const json::value& breaker) {
  if (breaker.at("consecutive5xxErrors") == 0) return {};
  const std::int64_t least = milliseconds_of(breaker.at("baseEjectionTime"));
  // Less than the least, or none at all, would make Linkerd drop the annotations.
  const std::int64_t most =
      std::max({milliseconds_of(breaker.at("maxEjectionTime")), least, std::int64_t{1}});
  const std::string prefix = "balancer.linkerd.io/failure-accrual";
  return {
      {prefix, "consecutive"},
      {prefix + "-consecutive-max-failures", canonical_json(breaker.at("consecutive5xxErrors"))},
      {prefix + "-consecutive-min-penalty", one_unit(least)},
      {prefix + "-consecutive-max-penalty", one_unit(most)}};
}

json::object policies_of(const json::object& resilience) {
  json::object annotations{
      {"timeout.linkerd.io/request", one_unit(milliseconds_of(resilience.at("timeout")))}};
  const json::value& retries = resilience.at("retries");
  if (retries.at("attempts") == 0) return annotations;
  annotations["retry.linkerd.io/http"] = "gateway-error";
  annotations["retry.linkerd.io/limit"] = canonical_json(retries.at("attempts"));
  return annotations;
}

class LinkerdRouter final : public TrafficRouter {
 public:
  std::vector<json::object> prepare(const Route& route) const override {
    return services_of(route, accrual_of(route.traffic.resilience.at("circuitBreaker")));
  }

  Result<json::object> set_weights(const Route& route, const json::value&) const override {
    json::object metadata = holder_metadata(route);
    for (const auto& [name, value] : policies_of(route.traffic.resilience))
      metadata["annotations"].as_object()[name] = value;
    json::object parent{{"group", "core"},
                        {"kind", "Service"},
                        {"name", route.traffic.service},
                        {"port", kServicePort}};
    json::object rule{{"backendRefs", backend_refs(route)}};
    return json::object{{"apiVersion", kApi},
                        {"kind", "HTTPRoute"},
                        {"metadata", std::move(metadata)},
                        {"spec",
                         {{"parentRefs", json::array{std::move(parent)}},
                          {"rules", json::array{std::move(rule)}}}}};
  }

  Reference holder(const Route& route) const override {
    return {kApi, "HTTPRoute", route.traffic.service};
  }

  Result<Weights> weights(const Route& route, const json::value& live) const override {
    return weights_of(route, live, rules_of(live, kHttpRoute), version_name);
  }

  Result<RouteRemoval> remove(const Route& route, const json::value&) const override {
    return RouteRemoval{{holder(route), {"v1", "Service", route.traffic.service}}, std::nullopt};
  }
};

}  // namespace

const TrafficRouter& linkerd_router() {
  static const LinkerdRouter kRouter;
  return kRouter;
}

}  // namespace serin::platform::kubernetes
