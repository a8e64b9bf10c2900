// SPDX-License-Identifier: Apache-2.0
// What a GenerativeService has to hold on a cluster beyond its schema: what control::check_manifest
// says of fields that belong together, again in CEL, and what only a cluster demands.
#pragma once

#include <string_view>

namespace serin::platform::kubernetes {

// A rule of CEL at the node `path` ("" is the whole; "a.b[]" an item of b).
struct CelRule {
  std::string_view path;
  std::string_view rule;
  std::string_view message;
};
inline constexpr CelRule kCelRules[] = {
    {"", "self.metadata.name != 'serin-gateway'", "metadata.name serin-gateway is Serin's gateway"},
    {"",
     "!has(self.spec.resilience.fallback) || !has(self.spec.resilience.fallback.service) || "
     "self.spec.resilience.fallback.service != self.metadata.name",
     "spec.resilience.fallback.service is this service itself"},
    {"",
     "!has(self.spec.resilience.mirror) || self.spec.resilience.mirror.service != "
     "self.metadata.name",
     "spec.resilience.mirror.service is this service itself"},
    {"",
     "self.spec.rollout.analysis.scorers.all(s, !has(s.service) || s.service != "
     "self.metadata.name)",
     "a scorer of spec.rollout.analysis.scorers is this service itself"},
    {"spec",
     "self.kubernetes.modelSource != 'pull' || self.model.startsWith('oci://') || "
     "self.model.startsWith('s3://') || self.model.startsWith('azblob://')",
     "on a cluster model must be oci://, s3:// or azblob://, or kubernetes.modelSource another "
     "one than pull"},
    {"spec",
     "!(self.kubernetes.modelSource in ['image', 'imageVolume']) || "
     "self.model.startsWith('oci://')",
     "with kubernetes.modelSource image and imageVolume model must be oci://"},
    {"spec",
     "self.kubernetes.modelSource != 'volumeClaim' || (!self.model.contains(':') && "
     "!self.model.startsWith('/') && !self.model.contains('..'))",
     "with kubernetes.modelSource volumeClaim model must be a folder of the claim, such as "
     "./glyphs"},
    {"spec.replicas", "!has(self.max) || self.min <= self.max", "max must be at least min"},
    {"spec.rollout", "!has(self.userHeader) || self.stickyBy == 'user'",
     "userHeader means something only with stickyBy: user"},
    {"spec.rollout",
     "self.strategy != 'shadow' || self.analysis.metrics.all(m, !has(m.scorer) || (m.scorer != "
     "'feedback' && !self.analysis.scorers.exists(s, s.name == m.scorer)))",
     "scorers of users and of your own cannot be decided by with strategy shadow: nobody gets the "
     "candidate's answers, so nobody scores them"},
    {"spec.rollout.analysis",
     "self.scorers.all(s, self.metrics.exists(m, has(m.scorer) && m.scorer == s.name))",
     "there is a scorer that no metric has"},
    {"spec.rollout.analysis.scorers[]", "!has(self.command) && has(self.url) != has(self.service)",
     "on a cluster a scorer is a server, which url names, or a service"},
    {"spec.rollout.analysis.scorers[]", "self.name != 'feedback'", "feedback is what users say"},
    {"spec.rollout.analysis.metrics",
     "self.all(m, self.exists_one(n, n.name == m.name && (has(n.scorer) ? n.scorer : '') == "
     "(has(m.scorer) ? m.scorer : '')))",
     "a metric is there twice"},
    {"spec.rollout.analysis.metrics[]", "!has(self.scorer) || self.name == 'quality'",
     "only quality has a scorer"},
    {"spec.resilience.adaptiveConcurrency", "self.minLimit <= self.maxLimit",
     "minLimit must be at most maxLimit"},
    {"spec.access.jwtRules[]", "!has(self.jwksUri) || !has(self.jwksFile)",
     "has both jwksUri and jwksFile: one of them"},
    {"spec.access.jwtRules[]",
     "has(self.jwksUri) || has(self.jwksFile) || self.issuer.matches('^https://[^?#]+$')",
     "needs jwksUri or jwksFile: where the issuer's keys are, which an issuer that is no https:// "
     "URL cannot say itself"},
    {"spec.notifications[]", "has(self.url) && !has(self.command)",
     "on a cluster events go to a server, which url names"},
    {"spec.notifications[]", "has(self.secretFile)",
     "secretFile is missing: it signs what is sent"},
    {"spec.kubernetes",
     "self.router in ['istio', 'gatewayAPI'] || (self.hosts.size() == 0 && self.gateways.size() == "
     "0)",
     "hosts and gateways mean something with router istio or gatewayAPI only"},
    {"spec.kubernetes", "(self.hosts.size() == 0) == (self.gateways.size() == 0)",
     "hosts and gateways go together"},
    {"spec.kubernetes", "!has(self.endpointPicker) || self.router == 'gatewayAPI'",
     "endpointPicker means something with router gatewayAPI only"},
    {"spec.kubernetes", "has(self.volumeClaim) == (self.modelSource == 'volumeClaim')",
     "volumeClaim and modelSource: volumeClaim go together"},
    {"spec.kubernetes", "!has(self.modelSecret) || self.modelSource == 'pull'",
     "modelSecret means something with modelSource pull only"},
    {"spec.kubernetes", "!has(self.image) || self.modelSource != 'image'",
     "with modelSource image the image is spec.model itself"},
    {"spec.kubernetes.tolerations[]", "self.operator == 'Equal' || !has(self.value)",
     "value means something with operator Equal only"},
    {"spec.kubernetes.tolerations[]", "self.operator == 'Exists' || has(self.key)",
     "key is missing; every taint is meant by operator: Exists without key"},
    {"spec.kubernetes.tolerations[]",
     "!has(self.tolerationSeconds) || (has(self.effect) && self.effect == 'NoExecute')",
     "tolerationSeconds means something with effect NoExecute only"},
    {"spec.kubernetes.podLabels",
     "self.all(k, !k.startsWith('serin.dev/') && !k.startsWith('app.kubernetes.io/'))",
     "serin.dev/… and app.kubernetes.io/… are given by Serin"},
};

// Keywords of a structural schema that no JSON Schema has, or that a cluster needs in another form:
// JSON that is merged into the node; null takes a keyword away.
struct Amendment {
  std::string_view path;
  std::string_view keywords;
};
inline constexpr Amendment kAmendments[] = {
    // Its default would make every metric one with a scorer, in what the cluster stores.
    {"spec.rollout.analysis.metrics[].scorer", R"({"default": null})"},
    // CEL does not see a share. One of the two: a margin, or no need of one.
    {"spec.rollout.analysis.metrics[]",
     R"({"oneOf": [{"required": ["margin"]}, {"properties": {"name": {"enum": ["crashes"]}}}]})"},
    {"spec.rollout.analysis.scorers",
     R"({"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["name"]})"},
    {"spec.notifications",
     R"({"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["name"]})"},
    {"spec.kubernetes.imagePullSecrets",
     R"({"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["name"]})"},
    {"spec.kubernetes.podLabels", R"({"maxProperties": 64})"},
    {"status.conditions",
     R"({"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["type"]})"},
    {"status.versions",
     R"({"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["label"]})"},
};

}  // namespace serin::platform::kubernetes
