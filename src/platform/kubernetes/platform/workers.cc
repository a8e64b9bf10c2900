// SPDX-License-Identifier: Apache-2.0
#include "platform/kubernetes/platform/workers.h"

#include <algorithm>
#include <array>

namespace serin::platform::kubernetes {
namespace {

struct Kind {
  std::string_view api_version, kind;
};
constexpr std::array<Kind, 2> kScalers = {
    {{"autoscaling/v2", "HorizontalPodAutoscaler"}, {"keda.sh/v1alpha1", "ScaledObject"}}};
// Whatever a version may have had, also by a manifest that is no more. The scaler before what it
// scales.
constexpr std::array<Kind, 7> kOfAVersion = {{{"autoscaling/v2", "HorizontalPodAutoscaler"},
                                              {"keda.sh/v1alpha1", "ScaledObject"},
                                              {"apps/v1", "Deployment"},
                                              {"policy/v1", "PodDisruptionBudget"},
                                              {"networking.istio.io/v1", "DestinationRule"},
                                              {"inference.networking.k8s.io/v1", "InferencePool"},
                                              {"v1", "Service"}}};

Reference deployment_of(const std::string& service, const std::string& label) {
  return {"apps/v1", "Deployment", version_name(service, label)};
}

// A scaler sets replicas, and the field stays ours: where nobody had it, it would be 1.
void keep_replicas(json::object& deployment, const VersionPlan& plan, const json::value* live) {
  std::int64_t now = plan.version.replicas;
  if (live != nullptr) {
    const json::value* found = value_at(*live, "/spec/replicas");
    if (found != nullptr && found->is_int64()) now = found->get_int64();
  }
  deployment["spec"].as_object()["replicas"] =
      std::clamp<std::int64_t>(now, plan.version.replicas, plan.max_replicas);
}

}  // namespace

Status Workers::apply(const VersionSpec& spec) {
  SERIN_TRY_ASSIGN(const VersionPlan plan,
                   version_plan_of(spec, options_.name_space, options_.image,
                                   options_.operator_namespace, owner_of_(spec.service)));
  const std::string name = version_name(spec.service, spec.label);
  const Object live = caches_.deployments.find({options_.name_space, name});
  for (const json::object& object : objects_of(plan)) {
    const bool scaled = plan.scaled() && object.at("kind") == "Deployment";
    const auto keep = [&](json::object& sent) { keep_replicas(sent, plan, live.get()); };
    SERIN_TRY(applier_.apply(object, scaled ? keep : std::function<void(json::object&)>()));
  }
  return remove_other_scalers(plan);
}

// The cluster must not scale what scales no more, or by two rules at once.
Status Workers::remove_other_scalers(const VersionPlan& plan) {
  const VersionSpec& spec = plan.version;
  std::string wanted;
  if (plan.scaled()) wanted = scaler_of(plan).at("kind").as_string();
  const auto known = scalers_.find({spec.service, spec.label});
  if (known != scalers_.end() && known->second == wanted) return {};
  for (const Kind& one : kScalers) {
    if (one.kind == wanted) continue;
    SERIN_TRY(applier_.remove({std::string(one.api_version), std::string(one.kind),
                               version_name(spec.service, spec.label)}));
  }
  scalers_[{spec.service, spec.label}] = std::move(wanted);
  return {};
}

Status Workers::ensure(const VersionSpec& spec) {
  SERIN_TRY(apply(spec));
  wanted_[{spec.service, spec.label}] = spec;
  return {};
}

Status Workers::remove(const std::string& service, const std::string& label) {
  wanted_.erase({service, label});
  scalers_.erase({service, label});
  const std::string labels =
      std::string(kServiceLabel) + "=" + service + "," + std::string(kVersionLabel) + "=" + label;
  for (const Kind& one : kOfAVersion)
    SERIN_TRY(applier_.remove_all(one.api_version, one.kind, labels));
  return {};
}

std::vector<VersionStatus> Workers::observe(const std::string& service) {
  std::map<std::string, Wanted> wanted;
  for (const auto& [key, spec] : wanted_) {
    if (key.first == service) wanted[key.second] = {spec.model.digest, spec.replicas};
  }
  return versions_of(wanted, of_service(caches_.deployments, options_.name_space, service),
                     of_service(caches_.pods, options_.name_space, service), ends_[service]);
}

Status Workers::refresh() {
  Status done;
  for (const auto& [key, spec] : wanted_) {
    const Reference reference = deployment_of(key.first, key.second);
    const Object live = caches_.deployments.find({options_.name_space, reference.name});
    applier_.look(reference, live.get());
    // The others are looked after all the same.
    if (Status applied = apply(spec); !applied && done) done = std::move(applied);
  }
  return done;
}

std::map<std::string, std::string> Workers::digests(const std::string& service) const {
  std::map<std::string, std::string> found;
  for (const Object& deployment : of_service(caches_.deployments, options_.name_space, service))
    found[std::string(label_of(*deployment))] = digest_of(*deployment);
  for (const auto& [key, spec] : wanted_) {
    if (key.first == service) found[key.second] = spec.model.digest;
  }
  return found;
}

}  // namespace serin::platform::kubernetes
