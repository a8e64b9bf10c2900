// SPDX-License-Identifier: Apache-2.0
#include "platform/kubernetes/objects/resource.h"

#include <string_view>
#include <utility>

namespace serin::platform::kubernetes {
namespace {

// kubectl keeps the whole manifest once more in an annotation.
constexpr std::string_view kOfKubectl = "kubectl.kubernetes.io/";

json::object metadata_of_manifest(const json::object& metadata) {
  json::object kept;
  for (const std::string_view name : {"name", "namespace", "labels", "annotations"}) {
    if (const json::value* value = metadata.if_contains(name)) kept[name] = *value;
  }
  json::value* annotations = kept.if_contains("annotations");
  if (annotations == nullptr || !annotations->is_object()) return kept;
  json::object others;
  for (const auto& [name, value] : annotations->get_object()) {
    if (!std::string_view(name).starts_with(kOfKubectl)) others[name] = value;
  }
  *annotations = std::move(others);
  return kept;
}

}  // namespace

Result<json::object> manifest_of(const json::value& resource) {
  const json::object* object = resource.if_object();
  const json::value* metadata = object == nullptr ? nullptr : object->if_contains("metadata");
  if (metadata == nullptr || !metadata->is_object() || !object->contains("spec"))
    return invalid("a GenerativeService has metadata and spec");
  json::object manifest;
  for (const std::string_view name : {"apiVersion", "kind"}) {
    if (const json::value* value = object->if_contains(name)) manifest[name] = *value;
  }
  manifest["metadata"] = metadata_of_manifest(metadata->get_object());
  manifest["spec"] = object->at("spec");
  return manifest;
}

}  // namespace serin::platform::kubernetes
