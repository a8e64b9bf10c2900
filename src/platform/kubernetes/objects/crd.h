// SPDX-License-Identifier: Apache-2.0
// The CustomResourceDefinition of GenerativeService, made from the schemas that also check
// manifests and make docs/. Pure. deploy/crd/ has what comes of it; a test compares them.
//
// A cluster's schemas are structural: every value has one type, unknown fields are dropped (and
// told by kubectl) where JSON Schema refuses them. What JSON Schema says and a structural schema
// cannot becomes, in this order, another keyword, a rule in CEL with a message, or, for a share,
// which is a number or a string, bounds without a type. What even that cannot say (an unknown name
// in a list of two types) the operator says in the condition Accepted.
#pragma once

#include "base/json.h"

namespace serin::platform::kubernetes {

inline constexpr std::string_view kGroup = "serin.dev";
inline constexpr std::string_view kVersion = "v1alpha1";
inline constexpr std::string_view kApiVersion = "serin.dev/v1alpha1";  // both
inline constexpr std::string_view kKind = "GenerativeService";
inline constexpr std::string_view kPlural = "generativeservices";

// apiextensions.k8s.io/v1. `manifest` and `status` are JSON Schemas in the part of it that
// control/schema/schema.h lists.
json::object crd_of(const json::value& manifest, const json::value& status);

// docs/schema/generative-service-status.json.
json::value status_schema();

}  // namespace serin::platform::kubernetes
