// SPDX-License-Identifier: Apache-2.0
// A version of a service as objects of a cluster: what runs its workers. Values in, JSON out; what
// comes out is applied whole, and again after every change. docs/kubernetes-objects.md goes through
// it field by field. Services and routes are the routers' (routers/router.h).
#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <vector>

#include "base/json.h"
#include "platform/kubernetes/objects/fields.h"
#include "platform/kubernetes/objects/names.h"
#include "platform/platform.h"

namespace serin::platform::kubernetes {

inline constexpr int kWorkerPort = 5000;

// One version, and all that the cluster has to know of it.
struct VersionPlan {
  std::string name_space;
  VersionSpec version;   // has at least so many replicas; its model fits `fields` (check_model)
  int max_replicas = 1;  // more than version.replicas, which are not 0: the cluster scales
  std::chrono::seconds drain{60};  // that requests under way have: spec.resilience.timeout
  std::string image;               // this release's, where the manifest names none
  Fields fields;
  std::optional<Owner> owner;  // none: nobody but who applied them removes them
  // An operator serves the number of requests that wait, as a metric of the cluster.
  bool queue_served = true;
  // Where it runs, whom the NetworkPolicy lets in.
  std::string operator_namespace = "serin-system";

  bool scaled() const { return version.replicas > 0 && max_replicas > version.replicas; }
};

// apps/v1. While the cluster scales it has no `replicas`, which then are the scaler's.
json::object deployment_of(const VersionPlan& plan);
// policy/v1: nodes are emptied one worker at a time.
json::object disruption_budget_of(const VersionPlan& plan);
// autoscaling/v2, or keda.sh/v1alpha1; of a plan that is scaled().
json::object scaler_of(const VersionPlan& plan);

// Of the service, whatever its versions: v1, and networking.k8s.io/v1.
json::object service_account_of(const VersionPlan& plan);
json::object network_policy_of(const VersionPlan& plan);

// All of these that the plan needs, in the order in which they are applied.
std::vector<json::object> objects_of(const VersionPlan& plan);

}  // namespace serin::platform::kubernetes
