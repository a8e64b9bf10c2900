// SPDX-License-Identifier: Apache-2.0
#include "platform/kubernetes/routers/standalone.h"

#include <iterator>
#include <string>
#include <utility>

#include "base/digest.h"
#include "platform/kubernetes/objects/gateway.h"
#include "platform/kubernetes/objects/services.h"

namespace serin::platform::kubernetes {
namespace {

// The version's Service as if it were one worker: who spreads requests is the cluster.
RoutedVersion behind_its_service(const VersionPlan& plan) {
  const std::string name = version_name(plan.version.service, plan.version.label);
  const std::string url =
      "http://" + name + "." + plan.name_space + ".svc:" + std::to_string(kServicePort);
  return {plan.version.label, plan.version.model.digest, false, {{name, url, "", "", true}}};
}

Route route_of(const VersionPlan& plan, const json::object& spec) {
  Route route;
  route.name_space = plan.name_space;
  route.traffic.service = plan.version.service;
  route.traffic.stable = plan.version.label;
  route.traffic.resilience = spec.at("resilience").as_object();
  route.traffic.access = spec.at("access").as_object();
  route.fields = plan.fields;
  route.owner = plan.owner;
  if (plan.fields.router == Router::kSerin) route.versions.push_back(behind_its_service(plan));
  return route;
}

GatewayPlan gateway_of(const VersionPlan& plan, const json::object& secret) {
  GatewayPlan gateway;
  gateway.name_space = plan.name_space;
  gateway.own = plan.version.service;
  gateway.drain = plan.drain;
  gateway.image = plan.image;
  gateway.image_pull_secrets = plan.fields.image_pull_secrets;
  gateway.config_digest = sha256_hex(canonical_json(secret.at("data")));
  return gateway;
}

// The router's Secret as that of the service's own gateway: nobody is there to join what several
// services of the namespace say, and each manifest is printed by itself.
json::object secret_of(const GatewayPlan& gateway, json::object secret) {
  json::object& metadata = secret["metadata"].as_object();
  metadata["name"] = name_of(gateway);
  metadata["labels"].as_object()[kServiceLabel] = gateway.own;
  return secret;
}

void append(std::vector<json::object>& all, std::vector<json::object> more) {
  all.insert(all.end(), std::make_move_iterator(more.begin()), std::make_move_iterator(more.end()));
}

}  // namespace

Result<std::vector<json::object>> standalone_objects(const VersionPlan& plan,
                                                     const json::object& spec) {
  VersionPlan alone = plan;
  alone.queue_served = false;
  if (alone.scaled() && alone.fields.scaler == Scaler::kHpa && alone.version.resources.cpus == 0)
    return invalid(
        "nobody counts requests that wait without an operator; give spec.resources.cpu, write "
        "spec.kubernetes.autoscaling.scaler: keda, or leave it out",
        "spec.replicas.max");
  const Route route = route_of(alone, spec);
  const TrafficRouter& router = router_of(alone.fields);
  std::vector<json::object> all = objects_of(alone);
  std::vector<json::object> services = router.prepare(route);
  SERIN_TRY_ASSIGN(json::object weights, router.set_weights(route, nullptr));
  if (alone.fields.router != Router::kSerin) {
    append(all, std::move(services));
    all.push_back(std::move(weights));
    return all;
  }
  const GatewayPlan gateway = gateway_of(alone, weights);
  services.front()["spec"].as_object()["selector"] = gateway_selector(gateway.own);
  append(all, std::move(services));
  all.push_back(secret_of(gateway, std::move(weights)));
  append(all, gateway_objects_of(gateway));
  return all;
}

}  // namespace serin::platform::kubernetes
