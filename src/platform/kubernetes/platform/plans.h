// SPDX-License-Identifier: Apache-2.0
// What the control plane tells a platform, as what the cluster's objects are made of. Pure.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "platform/kubernetes/client/object_cache.h"
#include "platform/kubernetes/objects/version.h"
#include "platform/kubernetes/routers/router.h"

namespace serin::platform::kubernetes {

// spec.kubernetes with its defaults; where it is empty, those alone.
Fields fields_of(const json::object& kubernetes);

// kInvalidArgument, naming the field, for what no cluster can run.
Result<VersionPlan> version_plan_of(const VersionSpec& spec, const std::string& name_space,
                                    const std::string& image, const std::string& operator_namespace,
                                    const std::optional<Owner>& owner);

// What a worker has said of itself, by the uid of its pod.
struct WorkerFacts {
  std::string profile, reproducible;
};

// "http://10.0.0.7:5000", "http://[fd00::7]:5000"
std::string url_of(std::string_view scheme, std::string_view address, int port);

// The versions that requests may go to, and their pods that have an address. `digests`: by label.
std::vector<RoutedVersion> routed_versions(const std::map<std::string, std::string>& digests,
                                           const std::vector<Object>& pods,
                                           const std::map<std::string, WorkerFacts>& facts);

}  // namespace serin::platform::kubernetes
