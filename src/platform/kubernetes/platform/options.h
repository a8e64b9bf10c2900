// SPDX-License-Identifier: Apache-2.0
// What a KubernetesPlatform is told once, and what of the cluster it looks at.
#pragma once

#include <chrono>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "model/source.h"
#include "platform/kubernetes/client/object_cache.h"
#include "platform/kubernetes/objects/gateway.h"
#include "platform/kubernetes/objects/names.h"

namespace serin::platform::kubernetes {

struct KubernetesOptions {
  std::string name_space;
  std::string operator_namespace = "serin-system";
  std::string image;  // of workers whose manifest names none, and of the gateway
  int gateway_replicas = 2;
  int admin_port = kAdminPort;                     // of the gateway's pods
  std::chrono::milliseconds answer_within{2'000};  // of one of them
  model::SourceOptions source;                     // of packages
};

// As informers know them, which have synced and may serve any number of namespaces. All that is
// looked for has the label app.kubernetes.io/managed-by: serin.
struct Caches {
  const ObjectCache& deployments;
  const ObjectCache& pods;
};

// The GenerativeService of that name; empty: there is none any more.
using OwnerOf = std::function<std::optional<Owner>(std::string_view service)>;

}  // namespace serin::platform::kubernetes
