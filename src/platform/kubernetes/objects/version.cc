// SPDX-License-Identifier: Apache-2.0
#include "platform/kubernetes/objects/version.h"

#include <utility>

#include "platform/kubernetes/objects/hardened.h"
#include "platform/kubernetes/objects/pod.h"

namespace serin::platform::kubernetes {
namespace {

const Owner* owner_of(const VersionPlan& plan) { return plan.owner ? &*plan.owner : nullptr; }

json::object version_metadata(const VersionPlan& plan) {
  const VersionSpec& version = plan.version;
  return metadata_of(version_name(version.service, version.label), plan.name_space,
                     version_labels(version.service, version.label), owner_of(plan));
}
json::object service_metadata(const VersionPlan& plan) {
  return metadata_of(plan.version.service, plan.name_space, service_labels(plan.version.service),
                     owner_of(plan));
}
json::object version_match(const VersionPlan& plan) {
  return {{"matchLabels", version_selector(plan.version.service, plan.version.label)}};
}

json::object horizontal_autoscaler_of(const VersionPlan& plan) {
  json::object queue{
      {"type", "External"},
      {"external",
       {{"metric", {{"name", "serin_requests_waiting"}, {"selector", version_match(plan)}}},
        {"target",
         {{"type", "AverageValue"}, {"averageValue", std::to_string(plan.fields.queue_depth)}}}}}};
  json::array metrics;
  if (plan.queue_served) metrics.emplace_back(std::move(queue));
  // The worker's alone: a mesh's proxy in the pod may be promised nothing.
  if (plan.version.resources.cpus > 0)
    metrics.emplace_back(json::object{
        {"type", "ContainerResource"},
        {"containerResource",
         {{"name", "cpu"},
          {"container", kWorkerContainer},
          {"target",
           {{"type", "Utilization"}, {"averageUtilization", plan.fields.cpu_utilization}}}}}});
  return {{"apiVersion", "autoscaling/v2"},
          {"kind", "HorizontalPodAutoscaler"},
          {"metadata", version_metadata(plan)},
          {"spec",
           {{"scaleTargetRef",
             {{"apiVersion", "apps/v1"},
              {"kind", "Deployment"},
              {"name", version_name(plan.version.service, plan.version.label)}}},
            {"minReplicas", plan.version.replicas},
            {"maxReplicas", plan.max_replicas},
            {"metrics", std::move(metrics)}}}};
}

// KEDA asks every worker of the version's Service by itself, once it has kedacore/keda#7642; before
// that it asks every pod of the namespace.
json::object scaled_object_of(const VersionPlan& plan) {
  const std::string name = version_name(plan.version.service, plan.version.label);
  const std::string host = name + "." + plan.name_space + ".svc";
  json::object queue{{"type", "metrics-api"},
                     {"metadata",
                      {{"url", "http://" + host + ":" + std::to_string(kWorkerPort) + "/metrics"},
                       {"format", "prometheus"},
                       {"valueLocation", "serin_requests_waiting"},
                       {"aggregateFromKubeServiceEndpoints", "true"},
                       {"aggregationType", "sum"},
                       {"targetValue", std::to_string(plan.fields.queue_depth)}}}};
  json::array triggers{std::move(queue)};
  if (plan.version.resources.cpus > 0)
    triggers.emplace_back(json::object{{"type", "cpu"},
                                       {"metricType", "Utilization"},
                                       {"metadata",
                                        {{"value", std::to_string(plan.fields.cpu_utilization)},
                                         {"containerName", kWorkerContainer}}}});
  return {{"apiVersion", "keda.sh/v1alpha1"},
          {"kind", "ScaledObject"},
          {"metadata", version_metadata(plan)},
          {"spec",
           {{"scaleTargetRef", {{"name", name}}},
            {"minReplicaCount", plan.version.replicas},
            {"maxReplicaCount", plan.max_replicas},
            {"triggers", std::move(triggers)}}}};
}

json::object peers_labelled(std::string_view kind, std::string_view label, std::string_view value) {
  return {{kind, {{"matchLabels", {{label, value}}}}}};
}

// Of a worker's pod: its own, and those at which a mesh's proxy in it takes what is meant for it
// (Istio's HBONE, Linkerd's) and is asked and scraped. Whatever the router: pods behind our gateway
// may be in a mesh, and the Gateway API is that of whichever implements it.
json::array open_ports() {
  json::array all{json::object{{"protocol", "TCP"}, {"port", kPortName}}};
  for (const int port : {15008, 15020, 15021, 15090, 4143, 4191})
    all.emplace_back(json::object{{"protocol", "TCP"}, {"port", port}});
  return all;
}

// Who may call a worker: behind our gateway nobody else, for the gateway asks who somebody is.
json::array callers_of(const VersionPlan& plan) {
  json::object the_operator =
      peers_labelled("namespaceSelector", "kubernetes.io/metadata.name", plan.operator_namespace);
  the_operator["podSelector"] = {{"matchLabels", {{"app.kubernetes.io/name", "serin-operator"}}}};
  return {peers_labelled("podSelector", "app.kubernetes.io/name", "serin-gateway"),
          std::move(the_operator),
          peers_labelled("namespaceSelector", "serin.dev/scrapes", "true")};
}

}  // namespace

json::object deployment_of(const VersionPlan& plan) {
  json::object spec;
  if (!plan.scaled()) spec["replicas"] = plan.version.replicas;
  spec["revisionHistoryLimit"] = 0;  // versions of a service are Deployments of their own
  spec["selector"] = version_match(plan);
  // As many are ready as before while pods are replaced.
  spec["strategy"] = {{"type", "RollingUpdate"},
                      {"rollingUpdate", {{"maxSurge", 1}, {"maxUnavailable", 0}}}};
  spec["template"] = pod_template_of(plan);
  json::object metadata = version_metadata(plan);
  metadata["annotations"] = {{kPackageAnnotation, plan.version.model.digest},
                             {kModelAnnotation, plan.version.model.source}};
  return {{"apiVersion", "apps/v1"},
          {"kind", "Deployment"},
          {"metadata", std::move(metadata)},
          {"spec", std::move(spec)}};
}

json::object disruption_budget_of(const VersionPlan& plan) {
  return {{"apiVersion", "policy/v1"},
          {"kind", "PodDisruptionBudget"},
          {"metadata", version_metadata(plan)},
          {"spec",
           {{"maxUnavailable", 1},
            {"unhealthyPodEvictionPolicy", "AlwaysAllow"},
            {"selector", version_match(plan)}}}};
}

json::object scaler_of(const VersionPlan& plan) {
  return plan.fields.scaler == Scaler::kKeda ? scaled_object_of(plan)
                                             : horizontal_autoscaler_of(plan);
}

json::object service_account_of(const VersionPlan& plan) {
  return {{"apiVersion", "v1"},
          {"kind", "ServiceAccount"},
          {"metadata", service_metadata(plan)},
          {"automountServiceAccountToken", false}};
}

json::object network_policy_of(const VersionPlan& plan) {
  json::object ingress{{"ports", open_ports()}};
  // Through a mesh clients come to the workers themselves.
  if (plan.fields.router == Router::kSerin) ingress["from"] = callers_of(plan);
  return {
      {"apiVersion", "networking.k8s.io/v1"},
      {"kind", "NetworkPolicy"},
      {"metadata", service_metadata(plan)},
      {"spec",
       {{"podSelector",
         {{"matchLabels",
           {{"app.kubernetes.io/component", "worker"}, {kServiceLabel, plan.version.service}}}}},
        {"policyTypes", json::array{"Ingress"}},
        {"ingress", json::array{std::move(ingress)}}}}};
}

std::vector<json::object> objects_of(const VersionPlan& plan) {
  std::vector<json::object> objects;
  if (plan.fields.service_account.empty()) objects.push_back(service_account_of(plan));
  objects.push_back(network_policy_of(plan));
  objects.push_back(deployment_of(plan));
  objects.push_back(disruption_budget_of(plan));
  if (plan.scaled()) objects.push_back(scaler_of(plan));
  return objects;
}

}  // namespace serin::platform::kubernetes
