// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <cmath>
#include <utility>

#include "base/base64.h"
#include "base/json_at.h"
#include "platform/kubernetes/objects/services.h"
#include "platform/kubernetes/routers/backends.h"
#include "platform/kubernetes/routers/routers.h"

namespace serin::platform::kubernetes {
namespace {

Result<gateway::Config> config_or_none(const json::value& live) {
  if (!live.is_object()) return gateway::Config{};
  return gateway_config_of(live);
}

// Grows with every change and with nothing else, as the admin API wants it.
void change(gateway::Config& config, std::vector<gateway::Service> services) {
  if (services == config.services) return;
  config.services = std::move(services);
  ++config.revision;
}

std::vector<gateway::Service> without(const gateway::Config& config, std::string_view name) {
  std::vector<gateway::Service> others;
  std::ranges::copy_if(config.services, std::back_inserter(others),
                       [&](const gateway::Service& service) { return service.name != name; });
  return others;
}

class SerinRouter final : public TrafficRouter {
 public:
  std::vector<json::object> prepare(const Route& route) const override {
    std::vector<json::object> services = services_of(route, {});
    // Clients of the service come to the gateway.
    services.front() = entry_service_of(route.traffic.service, route.name_space, gateway_selector(),
                                        owner_of(route));
    return services;
  }

  Result<json::object> set_weights(const Route& route, const json::value& live) const override {
    SERIN_TRY_ASSIGN(gateway::Config config, config_or_none(live));
    SERIN_TRY_ASSIGN(gateway::Service service, service_of(route.traffic, route.versions));
    std::vector<gateway::Service> services = without(config, service.name);
    // By name, so that the order in which services came makes no difference.
    const auto place =
        std::ranges::lower_bound(services, service.name, {}, &gateway::Service::name);
    services.insert(place, std::move(service));
    change(config, std::move(services));
    return gateway_secret_of(route.name_space, config);
  }

  Reference holder(const Route&) const override {
    return {"v1", "Secret", std::string(kGatewayName)};
  }

  Result<Weights> weights(const Route& route, const json::value& live) const override {
    SERIN_TRY_ASSIGN(const gateway::Config config, config_or_none(live));
    const auto found =
        std::ranges::find(config.services, route.traffic.service, &gateway::Service::name);
    if (found == config.services.end())
      return fail(Code::kNotFound, route.name_space + "/" + route.traffic.service +
                                       ": the gateway does not know it");
    const gateway::Split& split = found->split;
    return Weights{split.stable, split.candidate,
                   static_cast<int>(std::lround(split.weight * 100))};
  }

  Result<RouteRemoval> remove(const Route& route, const json::value& live) const override {
    RouteRemoval removal{{{"v1", "Service", route.traffic.service}}, std::nullopt};
    if (!live.is_object()) return removal;
    SERIN_TRY_ASSIGN(gateway::Config config, gateway_config_of(live));
    change(config, without(config, route.traffic.service));
    removal.changed = gateway_secret_of(route.name_space, config);
    return removal;
  }
};

}  // namespace

// Of all services of a namespace, so that it has no owner among them.
json::object gateway_secret_of(std::string_view name_space, const gateway::Config& config) {
  json::object labels = gateway_selector();
  labels["app.kubernetes.io/managed-by"] = "serin";
  return {{"apiVersion", "v1"},
          {"kind", "Secret"},
          {"metadata", metadata_of(kGatewayName, name_space, std::move(labels), nullptr)},
          {"type", "Opaque"},
          {"data", {{kGatewayFile, to_base64(gateway::write_config(config))}}}};
}

Result<gateway::Config> gateway_config_of(const json::value& secret) {
  const auto wrong = [](const std::string& what) {
    return fail(Code::kFailedPrecondition, "the Secret " + std::string(kGatewayName) + " " + what +
                                               ": somebody else has changed it");
  };
  const json::value* data = value_at(secret, "/data");
  const json::value* file =
      data != nullptr && data->is_object() ? data->get_object().if_contains(kGatewayFile) : nullptr;
  if (file == nullptr || !file->is_string()) return wrong("has no " + std::string(kGatewayFile));
  const auto text = from_base64(file->get_string());
  if (!text) return wrong("is no base64 at " + std::string(kGatewayFile));
  auto config = gateway::read_config(*text, kGatewayFile);
  if (!config) return wrong("is no configuration (" + config.error().message + ")");
  return config;
}

std::chrono::seconds drain_of(const gateway::Config& config) {
  std::chrono::seconds longest = std::chrono::minutes(1);
  for (const gateway::Service& service : config.services)
    longest =
        std::max(longest, std::chrono::ceil<std::chrono::seconds>(service.resilience.timeout));
  return longest;
}

const TrafficRouter& serin_router() {
  static const SerinRouter kRouter;
  return kRouter;
}

}  // namespace serin::platform::kubernetes
