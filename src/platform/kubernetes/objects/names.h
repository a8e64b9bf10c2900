// SPDX-License-Identifier: Apache-2.0
// What objects are called, and the labels by which they find each other. Pure.
//
// A service's own objects are called as the service. Those of a version are called
// SERVICE-LABEL-HASH: without the hash "a" of label "b-c" and "a-b" of label "c" would be one, and
// a name of more than 63 letters, which no label or host name may have, could not be cut.
#pragma once

#include <string>
#include <string_view>

#include "base/json.h"

namespace serin::platform::kubernetes {

inline constexpr std::string_view kServiceLabel = "serin.dev/service";
inline constexpr std::string_view kVersionLabel = "serin.dev/version";
inline constexpr std::string_view kPackageAnnotation = "serin.dev/package";
inline constexpr std::string_view kModelAnnotation = "serin.dev/model";
inline constexpr std::size_t kLongestName = 63;

// "storyteller-v2-3f9a1c"; the service is cut where that would be too long.
std::string version_name(std::string_view service, std::string_view label);

// Of a gateway that one service has by itself: "storyteller-gateway-b1f0c2".
std::string own_gateway_name(std::string_view service);

// What selects: never changes, for a Deployment's selector may not.
json::object service_selector(std::string_view service);
json::object version_selector(std::string_view service, std::string_view label);

// What objects of a service, and of one of its versions, say of themselves: app.kubernetes.io/* for
// other tools (Istio and Kiali tell services and versions apart by them), and what selects.
json::object service_labels(std::string_view service);
json::object version_labels(std::string_view service, std::string_view label);

// The object itself, so that the cluster removes the others with it.
struct Owner {
  std::string name;
  std::string uid;
};

// metadata of an object; `owner` may be null.
json::object metadata_of(std::string_view name, std::string_view name_space, json::object labels,
                         const Owner* owner);

}  // namespace serin::platform::kubernetes
