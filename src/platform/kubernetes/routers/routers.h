// SPDX-License-Identifier: Apache-2.0
// The layers, each in a file of its own; router.h has what they do. They live for ever.
#pragma once

#include <chrono>

#include "platform/kubernetes/routers/router.h"

namespace serin::platform::kubernetes {

// Our own gateway, one Deployment a namespace. Its whole configuration (gateway/config.h) is in one
// Secret, which a pod reads when it starts and which the operator also sends to each pod; so the
// object with the weights is that of all services of the namespace, and goes on from `live`.
const TrafficRouter& serin_router();
// Such a Secret.
json::object gateway_secret_of(std::string_view name_space, const gateway::Config& config);
// What such a Secret says, for a pod's admin API. kFailedPrecondition for what is none of ours.
Result<gateway::Config> gateway_config_of(const json::value& secret);
// That requests under way have when a pod with this configuration ends: the longest of its
// services' time-outs, but a minute, so that few changes start pods anew.
std::chrono::seconds drain_of(const gateway::Config& config);

// networking.istio.io/v1: a VirtualService with the weights, and a DestinationRule for each
// version's Service.
const TrafficRouter& istio_router();

// policy.linkerd.io/v1beta3: an HTTPRoute of the service's own Service; annotations for time-outs
// and retries there, and for failure accrual on each version's Service. Not run live.
const TrafficRouter& linkerd_router();

// gateway.networking.k8s.io/v1: an HTTPRoute, of Gateways or, inside the cluster, of the service's
// own Service. With an endpoint picker each version is an InferencePool
// (inference.networking.k8s.io/v1).
const TrafficRouter& gateway_api_router();

}  // namespace serin::platform::kubernetes
