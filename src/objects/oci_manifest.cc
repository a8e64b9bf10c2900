// SPDX-License-Identifier: Apache-2.0
#include "base/digest.h"
#include "base/json.h"
#include "objects/oci_registry.h"
#include "objects/text.h"

namespace serin::objects {
namespace {

constexpr const char* kManifestType = "application/vnd.oci.image.manifest.v1+json";
constexpr std::size_t kMostLayers = 10'000;
constexpr std::uint64_t kLargestBlob = std::uint64_t{16} << 40;

json::object annotations_json(const std::map<std::string, std::string>& annotations) {
  json::object object;
  for (const auto& [name, value] : annotations) object[name] = value;
  return object;
}

json::object blob_json(const OciBlob& blob) {
  json::object object{{"mediaType", blob.media_type}, {"digest", blob.digest}, {"size", blob.size}};
  if (!blob.annotations.empty()) object["annotations"] = annotations_json(blob.annotations);
  return object;
}

std::string text_of(const json::object& object, std::string_view key) {
  const json::value* value = object.if_contains(key);
  return value != nullptr && value->is_string() ? std::string(value->as_string()) : std::string();
}

std::map<std::string, std::string> read_annotations(const json::object& object) {
  std::map<std::string, std::string> annotations;
  const json::value* value = object.if_contains("annotations");
  if (value == nullptr || !value->is_object()) return annotations;
  for (const auto& [name, one] : value->as_object()) {
    if (one.is_string()) annotations.emplace(name, one.as_string());
  }
  return annotations;
}

Result<OciBlob> read_blob(const json::value& value, const std::string& where) {
  const json::object* object = value.if_object();
  if (object == nullptr) return invalid(where + " is no object");
  const json::value* size = object->if_contains("size");
  OciBlob blob{text_of(*object, "mediaType"), text_of(*object, "digest"), 0,
               read_annotations(*object)};
  if (!is_oci_digest(blob.digest)) return invalid(where + ".digest is no SHA-256");
  if (size == nullptr || !size->is_int64() || size->as_int64() < 0 ||
      static_cast<std::uint64_t>(size->as_int64()) > kLargestBlob)
    return invalid(where + ".size is no size");
  blob.size = static_cast<std::uint64_t>(size->as_int64());
  return blob;
}

}  // namespace

std::string oci_manifest_json(const OciManifest& manifest) {
  json::array layers;
  for (const OciBlob& layer : manifest.layers) layers.push_back(blob_json(layer));
  json::object object{{"schemaVersion", 2},
                      {"mediaType", kManifestType},
                      {"artifactType", manifest.artifact_type},
                      {"config", blob_json(manifest.config)},
                      {"layers", std::move(layers)}};
  if (!manifest.annotations.empty()) object["annotations"] = annotations_json(manifest.annotations);
  return canonical_json(object);
}

Result<OciManifest> parse_oci_manifest(std::string_view text) {
  SERIN_TRY_ASSIGN(const json::value document, parse_json(text));
  const json::object* object = document.if_object();
  if (object == nullptr) return invalid("the manifest is no JSON object");
  if (object->contains("manifests"))
    return invalid("it is an index of several manifests; name the one by its digest");
  const json::value* config = object->if_contains("config");
  const json::value* layers = object->if_contains("layers");
  if (config == nullptr || layers == nullptr || !layers->is_array())
    return invalid("it is no image manifest: it has no config or no layers");
  if (layers->as_array().size() > kMostLayers)
    return fail(Code::kResourceExhausted, "the manifest has too many layers");
  OciManifest manifest;
  manifest.artifact_type = text_of(*object, "artifactType");
  manifest.annotations = read_annotations(*object);
  manifest.digest = "sha256:" + sha256_hex(text);
  SERIN_TRY_ASSIGN(manifest.config, read_blob(*config, "config"));
  for (const json::value& layer : layers->as_array()) {
    SERIN_TRY_ASSIGN(OciBlob blob,
                     read_blob(layer, "layers[" + std::to_string(manifest.layers.size()) + "]"));
    manifest.layers.push_back(std::move(blob));
  }
  return manifest;
}

}  // namespace serin::objects
