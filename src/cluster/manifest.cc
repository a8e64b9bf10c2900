// SPDX-License-Identifier: Apache-2.0
#include "cluster/manifest.h"

#include "platform/kubernetes/objects/check_for_cluster.h"
#include "platform/kubernetes/routers/router.h"

namespace serin::cluster {
namespace {

namespace k8s = platform::kubernetes;

// The part `spec` of a manifest that says no more than it must.
json::object default_spec() {
  const json::object bare{{"spec", {{"model", ""}}}};
  return control::manifest_schema().with_defaults(bare).at("spec").as_object();
}

}  // namespace

k8s::Fields fields_of(const control::Manifest& manifest) {
  return k8s::read_fields(manifest.document.at("spec").at("kubernetes").as_object());
}

Status check_for_cluster(const control::Manifest& manifest) {
  SERIN_TRY(k8s::check_for_cluster(manifest.document, fields_of(manifest)));
  return k8s::check_route(manifest.document.at("spec").as_object(), default_spec());
}

}  // namespace serin::cluster
