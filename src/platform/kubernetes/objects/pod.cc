// SPDX-License-Identifier: Apache-2.0
#include "platform/kubernetes/objects/pod.h"

#include <cmath>
#include <string>
#include <utility>

#include "platform/kubernetes/objects/hardened.h"

namespace serin::platform::kubernetes {
namespace {

constexpr std::string_view kCache = "/var/cache/serin";
constexpr std::string_view kPackage = "/package";  // also where a model image has it
constexpr std::string_view kRegistry = "/etc/serin/registry";

// "2", "500m"
std::string cpu_quantity(double cpus) {
  const auto milli = std::llround(cpus * 1000);
  return milli % 1000 == 0 ? std::to_string(milli / 1000) : std::to_string(milli) + "m";
}

// "4Gi": the largest unit that divides it.
std::string memory_quantity(std::uint64_t bytes) {
  constexpr std::pair<const char*, int> kUnits[] = {{"Ti", 40}, {"Gi", 30}, {"Mi", 20}, {"Ki", 10}};
  for (const auto& [unit, shift] : kUnits) {
    if (bytes % (std::uint64_t{1} << shift) == 0) return std::to_string(bytes >> shift) + unit;
  }
  return std::to_string(bytes);
}

// What one worker may use is what it is promised: its profile does not depend on its neighbours.
json::object resources_of(const VersionPlan& plan) {
  const Resources& wanted = plan.version.resources;
  json::object amounts;
  if (wanted.cpus > 0) amounts["cpu"] = cpu_quantity(wanted.cpus);
  if (wanted.memory_bytes > 0) amounts["memory"] = memory_quantity(wanted.memory_bytes);
  if (wanted.gpus > 0) amounts[plan.fields.gpu_resource] = std::to_string(wanted.gpus);
  if (amounts.empty()) return {};
  return {{"requests", amounts}, {"limits", amounts}};
}

bool pulls_from_registry(const VersionPlan& plan) {
  return plan.fields.model_source == ModelSource::kPull &&
         plan.version.model.source.starts_with("oci://") && !plan.fields.image_pull_secrets.empty();
}

// "oci://HOST/NAME:TAG" without the scheme, which no image has.
std::string image_named(std::string_view model) {
  return std::string(model.substr(std::string_view("oci://").size()));
}

std::string image_of(const VersionPlan& plan) {
  if (plan.fields.model_source == ModelSource::kImage)
    return image_named(plan.version.model.source);
  return plan.fields.image.empty() ? plan.image : plan.fields.image;
}

// Where `serin serve` finds the package.
std::string package_of(const VersionPlan& plan) {
  const std::string& source = plan.version.model.source;
  if (plan.fields.model_source == ModelSource::kPull) return source;
  if (plan.fields.model_source != ModelSource::kVolumeClaim) return std::string(kPackage);
  const std::string folder = source.starts_with("./") ? source.substr(2) : source;
  return std::string(kPackage) + "/" + folder;
}

json::array arguments_of(const VersionPlan& plan) {
  json::array arguments;
  // A model image knows its command and its package.
  if (plan.fields.model_source != ModelSource::kImage) {
    arguments.emplace_back("serve");
    arguments.emplace_back(package_of(plan));
  }
  const std::pair<std::string_view, std::string> kOptions[] = {
      {"--address", "0.0.0.0"},
      {"--port", std::to_string(kWorkerPort)},
      {"--service", plan.version.service},
      {"--version-label", plan.version.label},
      {"--digest", plan.version.model.digest},
      {"--state", std::string(kCache) + "/state"},
      {"--device", plan.version.resources.gpus > 0 ? "cuda:0" : "cpu"},
      {"--threads", std::to_string(threads_of(plan.version.resources))},
      {"--drain-within", std::to_string(plan.drain.count())}};
  for (const auto& [name, value] : kOptions)
    arguments.emplace_back(std::string(name) + "=" + value);
  return arguments;
}

json::array environment_of(const VersionPlan& plan) {
  json::array environment{
      json::object{{"name", "SERIN_CACHE"}, {"value", kCache}},
      json::object{{"name", "HOME"}, {"value", kCache}},
  };
  if (pulls_from_registry(plan))
    environment.emplace_back(json::object{{"name", "DOCKER_CONFIG"}, {"value", kRegistry}});
  return environment;
}

bool has_package_volume(const VersionPlan& plan) {
  return plan.fields.model_source == ModelSource::kImageVolume ||
         plan.fields.model_source == ModelSource::kVolumeClaim;
}

json::array mounts_of(const VersionPlan& plan) {
  json::array mounts{mount_of("cache", kCache, false), mount_of("tmp", "/tmp", false)};
  if (has_package_volume(plan)) mounts.emplace_back(mount_of("package", kPackage, true));
  if (pulls_from_registry(plan)) mounts.emplace_back(mount_of("registry", kRegistry, true));
  return mounts;
}

json::array volumes_of(const VersionPlan& plan) {
  json::array volumes{scratch_volume("cache"), scratch_volume("tmp")};
  if (plan.fields.model_source == ModelSource::kImageVolume)
    volumes.emplace_back(json::object{
        {"name", "package"}, {"image", {{"reference", image_named(plan.version.model.source)}}}});
  if (plan.fields.model_source == ModelSource::kVolumeClaim)
    volumes.emplace_back(json::object{
        {"name", "package"},
        {"persistentVolumeClaim", {{"claimName", plan.fields.volume_claim}, {"readOnly", true}}}});
  if (!pulls_from_registry(plan)) return volumes;
  const json::object item{{"key", ".dockerconfigjson"}, {"path", "config.json"}};
  volumes.emplace_back(
      json::object{{"name", "registry"},
                   {"secret",
                    {{"secretName", plan.fields.image_pull_secrets.at(0).at("name")},
                     {"items", json::array{item}}}}});
  return volumes;
}

json::object container_of(const VersionPlan& plan) {
  json::object container{{"name", kWorkerContainer},
                         {"image", image_of(plan)},
                         {"args", arguments_of(plan)},
                         {"env", environment_of(plan)}};
  if (!plan.fields.model_secret.empty()) {
    const json::object secret{{"secretRef", {{"name", plan.fields.model_secret}}}};
    container["envFrom"] = json::array{secret};
  }
  container["ports"] = ports_of(kWorkerPort);
  if (json::object resources = resources_of(plan); !resources.empty())
    container["resources"] = std::move(resources);
  // A start, with its fetch, has 15 minutes; then a worker that says nothing for 30 s is started
  // again, and one that says it cannot serve gets no requests.
  container["startupProbe"] = probe_of("/health/startup", 2, 450);
  container["livenessProbe"] = probe_of("/health/live", 10, 3);
  container["readinessProbe"] = probe_of("/health/ready", 2, 1);
  harden(container);
  container["volumeMounts"] = mounts_of(plan);
  return container;
}

// The manifest's, and the taint that keeps others off nodes with GPUs.
json::array tolerations_of(const VersionPlan& plan) {
  json::array tolerations = plan.fields.tolerations;
  if (plan.version.resources.gpus > 0)
    tolerations.emplace_back(json::object{
        {"key", plan.fields.gpu_resource}, {"operator", "Exists"}, {"effect", "NoSchedule"}});
  return tolerations;
}

json::array spread_of(const VersionPlan& plan) {
  json::array constraints;
  for (const json::value& one : plan.fields.topology_spread) {
    json::object constraint{{"maxSkew", one.at("maxSkew")},
                            {"topologyKey", one.at("topologyKey")},
                            {"whenUnsatisfiable", one.at("whenUnsatisfiable")}};
    constraint["labelSelector"] = {
        {"matchLabels", version_selector(plan.version.service, plan.version.label)}};
    constraints.emplace_back(std::move(constraint));
  }
  return constraints;
}

// Only what the manifest says.
void add_placement(json::object& spec, const VersionPlan& plan) {
  const Fields& fields = plan.fields;
  if (!fields.priority_class.empty()) spec["priorityClassName"] = fields.priority_class;
  if (!fields.node_selector.empty()) spec["nodeSelector"] = fields.node_selector;
  if (json::array all = tolerations_of(plan); !all.empty()) spec["tolerations"] = std::move(all);
  if (!fields.affinity.empty()) spec["affinity"] = fields.affinity;
  if (json::array all = spread_of(plan); !all.empty())
    spec["topologySpreadConstraints"] = std::move(all);
}

json::object pod_of(const VersionPlan& plan) {
  const Fields& fields = plan.fields;
  json::object spec = hardened_pod(
      fields.service_account.empty() ? plan.version.service : fields.service_account, plan.drain);
  if (!fields.image_pull_secrets.empty()) spec["imagePullSecrets"] = fields.image_pull_secrets;
  add_placement(spec, plan);
  spec["containers"] = json::array{container_of(plan)};
  spec["volumes"] = volumes_of(plan);
  return spec;
}

}  // namespace

json::object pod_template_of(const VersionPlan& plan) {
  json::object labels = plan.fields.pod_labels;
  for (const auto& label : version_labels(plan.version.service, plan.version.label))
    labels[label.key()] = label.value();
  json::object annotations = plan.fields.pod_annotations;
  annotations[kPackageAnnotation] = plan.version.model.digest;
  return {{"metadata", {{"labels", std::move(labels)}, {"annotations", std::move(annotations)}}},
          {"spec", pod_of(plan)}};
}

}  // namespace serin::platform::kubernetes
