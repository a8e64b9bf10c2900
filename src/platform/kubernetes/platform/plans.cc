// SPDX-License-Identifier: Apache-2.0
#include "platform/kubernetes/platform/plans.h"

#include <utility>

#include "platform/kubernetes/platform/replicas.h"

namespace serin::platform::kubernetes {

Fields fields_of(const json::object& kubernetes) {
  return kubernetes.empty() ? Fields() : read_fields(kubernetes);
}

Result<VersionPlan> version_plan_of(const VersionSpec& spec, const std::string& name_space,
                                    const std::string& image, const std::string& operator_namespace,
                                    const std::optional<Owner>& owner) {
  SERIN_TRY(platform::check(spec));
  VersionPlan plan;
  plan.name_space = name_space;
  plan.version = spec;
  plan.max_replicas = spec.max_replicas;
  plan.drain = spec.drain;
  plan.image = image;
  plan.fields = fields_of(spec.kubernetes);
  plan.owner = owner;
  plan.operator_namespace = operator_namespace;
  SERIN_TRY(check_model(spec.model.source, plan.fields));
  return plan;
}

std::string url_of(std::string_view scheme, std::string_view address, int port) {
  const bool bare = address.find(':') == std::string_view::npos;
  const std::string host = bare ? std::string(address) : "[" + std::string(address) + "]";
  return std::string(scheme) + "://" + host + ":" + std::to_string(port);
}

std::vector<RoutedVersion> routed_versions(const std::map<std::string, std::string>& digests,
                                           const std::vector<Object>& pods,
                                           const std::map<std::string, WorkerFacts>& facts) {
  std::vector<RoutedVersion> versions;
  for (const auto& [label, digest] : digests) {
    RoutedVersion& version = versions.emplace_back();
    version.label = label;
    version.digest = digest;
    for (const Object& pod : pods) {
      const std::string_view address = text_at(*pod, "/status/podIP");
      if (address.empty() || label_of(*pod) != label || digest_of(*pod) != digest) continue;
      RoutedReplica replica;
      replica.id = key_of(*pod).name;
      replica.url = url_of("http", address, kWorkerPort);
      replica.ready = takes_requests(*pod);
      if (const auto said = facts.find(std::string(uid_of(*pod))); said != facts.end()) {
        replica.profile = said->second.profile;
        replica.reproducible = said->second.reproducible;
      }
      version.replicas.push_back(std::move(replica));
    }
  }
  return versions;
}

}  // namespace serin::platform::kubernetes
