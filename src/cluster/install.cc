// SPDX-License-Identifier: Apache-2.0
#include "cluster/install.h"

#include <utility>

#include "control/schema/manifest.h"
#include "platform/kubernetes/objects/crd.h"
#include "platform/kubernetes/objects/hardened.h"
#include "platform/kubernetes/objects/names.h"

namespace serin::cluster {
namespace {

namespace k8s = platform::kubernetes;

constexpr std::string_view kName = "serin-operator";
constexpr std::string_view kRbac = "rbac.authorization.k8s.io";
// What it writes ends by itself, and the next operator begins where this one stopped.
constexpr std::chrono::seconds kDrain{10};

json::array words(std::string_view text) {
  json::array found;
  while (!text.empty()) {
    const std::size_t end = std::min(text.find(' '), text.size());
    found.emplace_back(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return found;
}

json::object labels() {
  return {{"app.kubernetes.io/name", kName},
          {"app.kubernetes.io/component", "operator"},
          {"app.kubernetes.io/managed-by", "serin"}};
}
// `name_space`: empty for what is of the whole cluster.
json::object metadata(std::string_view name_space) {
  json::object metadata = k8s::metadata_of(kName, name_space, labels(), nullptr);
  if (name_space.empty()) metadata.erase("namespace");
  return metadata;
}

json::object rule_of(const Right& right) {
  return {{"apiGroups", json::array{right.group}},
          {"resources", words(right.resources)},
          {"verbs", words(right.verbs)}};
}

json::object cluster_role() {
  json::array rules;
  for (const Right& right : cluster_rights()) rules.push_back(rule_of(right));
  return {{"apiVersion", std::string(kRbac) + "/v1"},
          {"kind", "ClusterRole"},
          {"metadata", metadata("")},
          {"rules", std::move(rules)}};
}

// In its own namespace: who leads.
json::object lease_role(const InstallPlan& plan) {
  const Right lease{"coordination.k8s.io", "leases", "get create update"};
  return {{"apiVersion", std::string(kRbac) + "/v1"},
          {"kind", "Role"},
          {"metadata", metadata(plan.name_space)},
          {"rules", json::array{rule_of(lease)}}};
}

// `kind`: of the role that its account gets, "Role" or "ClusterRole".
json::object binding_of(const InstallPlan& plan, std::string_view kind) {
  const bool everywhere = kind == "ClusterRole";
  json::object account{{"kind", "ServiceAccount"}, {"name", kName}, {"namespace", plan.name_space}};
  return {{"apiVersion", std::string(kRbac) + "/v1"},
          {"kind", std::string(kind) + "Binding"},
          {"metadata", metadata(everywhere ? std::string_view() : plan.name_space)},
          {"roleRef", {{"apiGroup", kRbac}, {"kind", kind}, {"name", kName}}},
          {"subjects", json::array{std::move(account)}}};
}

json::object container_of(const InstallPlan& plan) {
  const json::object pod_name{{"name", "POD_NAME"},
                              {"valueFrom", {{"fieldRef", {{"fieldPath", "metadata.name"}}}}}};
  const json::object pod_namespace{
      {"name", "POD_NAMESPACE"},
      {"valueFrom", {{"fieldRef", {{"fieldPath", "metadata.namespace"}}}}}};
  json::object container{
      {"name", "operator"},
      {"image", plan.image},
      {"args", json::array{"operator", "--image=" + plan.image, "--address=0.0.0.0",
                           "--port=" + std::to_string(kOperatorPort)}},
      {"env", json::array{pod_name, pod_namespace}},
      {"ports", k8s::ports_of(kOperatorPort)},
      {"resources",
       {{"requests", {{"cpu", "50m"}, {"memory", "64Mi"}}}, {"limits", {{"memory", "256Mi"}}}}}};
  container["livenessProbe"] = k8s::probe_of("/health/live", 10, 3);
  container["readinessProbe"] = k8s::probe_of("/health/ready", 2, 1);
  k8s::harden(container);
  container["volumeMounts"] = json::array{k8s::mount_of("tmp", "/tmp", false)};
  return container;
}

json::object deployment_of(const InstallPlan& plan) {
  json::object pod = k8s::hardened_pod(kName, kDrain);
  pod["automountServiceAccountToken"] = true;
  pod["containers"] = json::array{container_of(plan)};
  pod["volumes"] = json::array{k8s::scratch_volume("tmp")};
  return {{"apiVersion", "apps/v1"},
          {"kind", "Deployment"},
          {"metadata", metadata(plan.name_space)},
          {"spec",
           {{"replicas", plan.replicas},
            {"selector", {{"matchLabels", labels()}}},
            {"template", {{"metadata", {{"labels", labels()}}}, {"spec", std::move(pod)}}}}}};
}

}  // namespace

std::vector<Right> cluster_rights() {
  constexpr std::string_view kOwn = "get list watch create update patch delete";
  return {
      {"serin.dev", "generativeservices", "get list watch patch"},
      {"serin.dev", "generativeservices/status", "get patch"},
      // Owner references that block the owner's deletion need it.
      {"serin.dev", "generativeservices/finalizers", "update"},
      {"apps", "deployments", kOwn},
      {"", "services serviceaccounts configmaps secrets", kOwn},
      {"", "pods", "get list watch"},
      {"", "pods/log", "get"},
      {"events.k8s.io", "events", "create patch"},
      {"autoscaling", "horizontalpodautoscalers", kOwn},
      {"policy", "poddisruptionbudgets", kOwn},
      {"networking.k8s.io", "networkpolicies", kOwn},
      {"keda.sh", "scaledobjects", kOwn},
      {"networking.istio.io", "virtualservices destinationrules", kOwn},
      {"policy.linkerd.io", "httproutes", kOwn},
      {"gateway.networking.k8s.io", "httproutes", kOwn},
      {"inference.networking.k8s.io", "inferencepools", kOwn},
  };
}

std::vector<json::object> install_objects(const InstallPlan& plan) {
  json::object name_space{{"apiVersion", "v1"},
                          {"kind", "Namespace"},
                          {"metadata",
                           {{"name", plan.name_space},
                            {"labels",
                             {{"kubernetes.io/metadata.name", plan.name_space},
                              {"pod-security.kubernetes.io/enforce", "restricted"}}}}}};
  json::object account{
      {"apiVersion", "v1"}, {"kind", "ServiceAccount"}, {"metadata", metadata(plan.name_space)}};
  return {k8s::crd_of(control::manifest_schema().document(), k8s::status_schema()),
          std::move(name_space),
          std::move(account),
          cluster_role(),
          binding_of(plan, "ClusterRole"),
          lease_role(plan),
          binding_of(plan, "Role"),
          deployment_of(plan)};
}

}  // namespace serin::cluster
