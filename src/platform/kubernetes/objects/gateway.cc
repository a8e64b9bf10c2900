// SPDX-License-Identifier: Apache-2.0
#include "platform/kubernetes/objects/gateway.h"

#include <chrono>
#include <utility>

#include "platform/kubernetes/objects/hardened.h"
#include "platform/kubernetes/objects/names.h"
#include "platform/kubernetes/objects/services.h"

namespace serin::platform::kubernetes {
namespace {

constexpr std::string_view kConfigFolder = "/etc/serin/gateway";
// As long as the longest request that most services allow.
constexpr std::chrono::seconds kDrain{60};

json::object metadata_of_gateway(const GatewayPlan& plan) {
  json::object labels = gateway_selector();
  labels["app.kubernetes.io/component"] = "gateway";
  labels["app.kubernetes.io/managed-by"] = "serin";
  return metadata_of(kGatewayName, plan.name_space, std::move(labels), nullptr);
}

json::object container_of(const GatewayPlan& plan) {
  json::object container{
      {"name", "gateway"},
      {"image", plan.image},
      {"args",
       json::array{"gateway",
                   "--config=" + std::string(kConfigFolder) + "/" + std::string(kGatewayFile),
                   "--address=0.0.0.0", "--port=" + std::to_string(kGatewayPort),
                   "--drain-within=" + std::to_string(kDrain.count())}},
      {"ports", ports_of(kGatewayPort)}};
  container["startupProbe"] = probe_of("/health/ready", 1, 60);
  container["livenessProbe"] = probe_of("/health/live", 10, 3);
  container["readinessProbe"] = probe_of("/health/ready", 2, 1);
  harden(container);
  container["volumeMounts"] =
      json::array{mount_of("config", kConfigFolder, true), mount_of("tmp", "/tmp", false)};
  return container;
}

json::object deployment_of(const GatewayPlan& plan) {
  json::object metadata = metadata_of_gateway(plan);
  json::object spec = hardened_pod(kGatewayName, kDrain);
  if (!plan.image_pull_secrets.empty()) spec["imagePullSecrets"] = plan.image_pull_secrets;
  spec["containers"] = json::array{container_of(plan)};
  json::object config{{"name", "config"}, {"secret", {{"secretName", kGatewayName}}}};
  spec["volumes"] = json::array{std::move(config), scratch_volume("tmp")};
  json::object pod_metadata{{"labels", metadata.at("labels")}};
  if (!plan.config_digest.empty())
    pod_metadata["annotations"] = {{"serin.dev/config", plan.config_digest}};
  return {
      {"apiVersion", "apps/v1"},
      {"kind", "Deployment"},
      {"metadata", std::move(metadata)},
      {"spec",
       {{"replicas", plan.replicas},
        {"selector", {{"matchLabels", gateway_selector()}}},
        {"strategy",
         {{"type", "RollingUpdate"}, {"rollingUpdate", {{"maxSurge", 1}, {"maxUnavailable", 0}}}}},
        {"template", {{"metadata", std::move(pod_metadata)}, {"spec", std::move(spec)}}}}}};
}

}  // namespace

std::vector<json::object> gateway_objects_of(const GatewayPlan& plan) {
  json::object account{{"apiVersion", "v1"},
                       {"kind", "ServiceAccount"},
                       {"metadata", metadata_of_gateway(plan)},
                       {"automountServiceAccountToken", false}};
  json::object budget{{"apiVersion", "policy/v1"},
                      {"kind", "PodDisruptionBudget"},
                      {"metadata", metadata_of_gateway(plan)},
                      {"spec",
                       {{"maxUnavailable", 1},
                        {"unhealthyPodEvictionPolicy", "AlwaysAllow"},
                        {"selector", {{"matchLabels", gateway_selector()}}}}}};
  return {std::move(account), deployment_of(plan), std::move(budget)};
}

}  // namespace serin::platform::kubernetes
