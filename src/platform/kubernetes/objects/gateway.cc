// SPDX-License-Identifier: Apache-2.0
#include "platform/kubernetes/objects/gateway.h"

#include <utility>

#include "platform/kubernetes/objects/hardened.h"
#include "platform/kubernetes/objects/names.h"
#include "platform/kubernetes/objects/services.h"

namespace serin::platform::kubernetes {
namespace {

constexpr std::string_view kConfigFolder = "/etc/serin/gateway";
constexpr std::string_view kAdminFolder = "/etc/serin/admin";
constexpr std::string_view kEvidenceFolder = "/var/lib/serin/evidence";
constexpr std::string_view kAdminPortName = "admin";

json::object metadata_of_gateway(const GatewayPlan& plan) {
  json::object labels = gateway_selector(plan.own);
  labels["app.kubernetes.io/component"] = "gateway";
  labels["app.kubernetes.io/managed-by"] = "serin";
  return metadata_of(name_of(plan), plan.name_space, std::move(labels), nullptr);
}

// For the operator, who moves weights and reads the evidence of what became of them. Evidence
// outlives the process, and not the pod.
void add_admin(json::object& container) {
  const auto file = [](std::string_view name) {
    return std::string(kAdminFolder) + "/" + std::string(name);
  };
  json::array& arguments = container.at("args").as_array();
  arguments.emplace_back("--admin-address=0.0.0.0");
  arguments.emplace_back("--admin-port=" + std::to_string(kAdminPort));
  arguments.emplace_back("--admin-certificate=" + file(kAdminCertificate));
  arguments.emplace_back("--admin-key=" + file(kAdminKey));
  arguments.emplace_back("--admin-token=" + file(kAdminToken));
  arguments.emplace_back("--evidence=" + std::string(kEvidenceFolder));
  container.at("ports").as_array().emplace_back(
      json::object{{"name", kAdminPortName}, {"containerPort", kAdminPort}, {"protocol", "TCP"}});
  json::array& mounts = container.at("volumeMounts").as_array();
  mounts.emplace_back(mount_of("admin", kAdminFolder, true));
  mounts.emplace_back(mount_of("evidence", kEvidenceFolder, false));
}

json::object container_of(const GatewayPlan& plan) {
  json::object container{
      {"name", "gateway"},
      {"image", plan.image},
      {"args",
       json::array{"gateway",
                   "--config=" + std::string(kConfigFolder) + "/" + std::string(kGatewayFile),
                   "--address=0.0.0.0", "--port=" + std::to_string(kGatewayPort),
                   "--drain-within=" + std::to_string(plan.drain.count())}},
      {"ports", ports_of(kGatewayPort)}};
  container["startupProbe"] = probe_of("/health/ready", 1, 60);
  container["livenessProbe"] = probe_of("/health/live", 10, 3);
  container["readinessProbe"] = probe_of("/health/ready", 2, 1);
  harden(container);
  container["volumeMounts"] =
      json::array{mount_of("config", kConfigFolder, true), mount_of("tmp", "/tmp", false)};
  if (!plan.admin_digest.empty()) add_admin(container);
  return container;
}

json::object deployment_of(const GatewayPlan& plan) {
  json::object metadata = metadata_of_gateway(plan);
  json::object spec = hardened_pod(name_of(plan), plan.drain);
  if (!plan.image_pull_secrets.empty()) spec["imagePullSecrets"] = plan.image_pull_secrets;
  spec["containers"] = json::array{container_of(plan)};
  json::object config{{"name", "config"}, {"secret", {{"secretName", name_of(plan)}}}};
  json::array volumes{std::move(config), scratch_volume("tmp")};
  json::object annotations;
  if (!plan.config_digest.empty()) annotations["serin.dev/config"] = plan.config_digest;
  if (!plan.admin_digest.empty()) {
    annotations["serin.dev/admin"] = plan.admin_digest;
    volumes.emplace_back(
        json::object{{"name", "admin"}, {"secret", {{"secretName", kGatewayAdminName}}}});
    volumes.emplace_back(scratch_volume("evidence"));
  }
  spec["volumes"] = std::move(volumes);
  json::object pod_metadata{{"labels", metadata.at("labels")}};
  if (!annotations.empty()) pod_metadata["annotations"] = std::move(annotations);
  return {
      {"apiVersion", "apps/v1"},
      {"kind", "Deployment"},
      {"metadata", std::move(metadata)},
      {"spec",
       {{"replicas", plan.replicas},
        {"selector", {{"matchLabels", gateway_selector(plan.own)}}},
        {"strategy",
         {{"type", "RollingUpdate"}, {"rollingUpdate", {{"maxSurge", 1}, {"maxUnavailable", 0}}}}},
        {"template", {{"metadata", std::move(pod_metadata)}, {"spec", std::move(spec)}}}}}};
}

// Clients come from anywhere, to the admin API the operator alone.
json::object network_policy_of(const GatewayPlan& plan) {
  json::object the_operator{
      {"namespaceSelector",
       {{"matchLabels", {{"kubernetes.io/metadata.name", plan.operator_namespace}}}}},
      {"podSelector", {{"matchLabels", {{"app.kubernetes.io/name", "serin-operator"}}}}}};
  const auto port = [](std::string_view name) {
    return json::array{json::object{{"protocol", "TCP"}, {"port", name}}};
  };
  json::array ingress;
  ingress.emplace_back(json::object{{"ports", port(kPortName)}});
  ingress.emplace_back(json::object{{"ports", port(kAdminPortName)},
                                    {"from", json::array{std::move(the_operator)}}});
  return {{"apiVersion", "networking.k8s.io/v1"},
          {"kind", "NetworkPolicy"},
          {"metadata", metadata_of_gateway(plan)},
          {"spec",
           {{"podSelector", {{"matchLabels", gateway_selector(plan.own)}}},
            {"policyTypes", json::array{"Ingress"}},
            {"ingress", std::move(ingress)}}}};
}

}  // namespace

std::string name_of(const GatewayPlan& plan) {
  return plan.own.empty() ? std::string(kGatewayName) : own_gateway_name(plan.own);
}

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
                        {"selector", {{"matchLabels", gateway_selector(plan.own)}}}}}};
  std::vector<json::object> objects{std::move(account)};
  if (!plan.admin_digest.empty()) objects.push_back(network_policy_of(plan));
  objects.push_back(deployment_of(plan));
  objects.push_back(std::move(budget));
  return objects;
}

}  // namespace serin::platform::kubernetes
