// SPDX-License-Identifier: Apache-2.0
#include "objects/oci_manifest.h"

#include "base/digest.h"
#include "base/json.h"
#include "objects/oci_reference.h"
#include "objects/text.h"

namespace serin::objects {
namespace {

constexpr std::size_t kMostLayers = 10'000;
constexpr std::size_t kMostManifests = 1000;
constexpr std::uint64_t kLargestBlob = std::uint64_t{16} << 40;

json::object annotations_json(const OciAnnotations& annotations) {
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

OciAnnotations read_annotations(const json::object& object) {
  OciAnnotations annotations;
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

Result<json::object> read_document(std::string_view text) {
  SERIN_TRY_ASSIGN(json::value document, parse_json(text));
  if (!document.is_object()) return invalid("the manifest is no JSON object");
  return std::move(document.as_object());
}

// "linux/amd64"; empty where an index says nothing of it.
std::string platform_of(const json::value& manifest) {
  const json::value* platform = manifest.as_object().if_contains("platform");
  const json::object* object = platform == nullptr ? nullptr : platform->if_object();
  if (object == nullptr) return {};
  return text_of(*object, "os") + "/" + text_of(*object, "architecture");
}

}  // namespace

std::string OciDocument::digest() const { return "sha256:" + sha256_hex(text); }

OciBlob OciDocument::blob() const { return {media_type, digest(), text.size(), {}}; }

bool is_oci_index(std::string_view media_type) {
  return media_type == kOciIndexType || media_type == kDockerIndexType;
}

OciDocument oci_manifest(const OciManifest& manifest) {
  json::array layers;
  for (const OciBlob& layer : manifest.layers) layers.push_back(blob_json(layer));
  json::object object{{"schemaVersion", 2},
                      {"mediaType", kOciManifestType},
                      {"config", blob_json(manifest.config)},
                      {"layers", std::move(layers)}};
  if (!manifest.artifact_type.empty()) object["artifactType"] = manifest.artifact_type;
  if (!manifest.annotations.empty()) object["annotations"] = annotations_json(manifest.annotations);
  return {std::string(kOciManifestType), canonical_json(object)};
}

Result<OciManifest> parse_oci_manifest(std::string_view text) {
  SERIN_TRY_ASSIGN(const json::object object, read_document(text));
  if (object.contains("manifests"))
    return invalid("it is an index of several manifests; name the one by its digest");
  const json::value* config = object.if_contains("config");
  const json::value* layers = object.if_contains("layers");
  if (config == nullptr || layers == nullptr || !layers->is_array())
    return invalid("it is no image manifest: it has no config or no layers");
  if (layers->as_array().size() > kMostLayers)
    return fail(Code::kResourceExhausted, "the manifest has too many layers");
  OciManifest manifest;
  manifest.artifact_type = text_of(object, "artifactType");
  manifest.annotations = read_annotations(object);
  SERIN_TRY_ASSIGN(manifest.config, read_blob(*config, "config"));
  for (const json::value& layer : layers->as_array()) {
    SERIN_TRY_ASSIGN(OciBlob blob,
                     read_blob(layer, "layers[" + std::to_string(manifest.layers.size()) + "]"));
    manifest.layers.push_back(std::move(blob));
  }
  return manifest;
}

Result<std::vector<OciBlob>> parse_oci_index(std::string_view text) {
  SERIN_TRY_ASSIGN(const json::object object, read_document(text));
  const json::value* manifests = object.if_contains("manifests");
  if (manifests == nullptr || !manifests->is_array())
    return invalid("it is no index: it has no manifests");
  if (manifests->as_array().size() > kMostManifests)
    return fail(Code::kResourceExhausted, "the index has too many manifests");
  std::vector<OciBlob> blobs;
  for (const json::value& one : manifests->as_array()) {
    SERIN_TRY_ASSIGN(OciBlob blob,
                     read_blob(one, "manifests[" + std::to_string(blobs.size()) + "]"));
    blobs.push_back(std::move(blob));
  }
  return blobs;
}

Result<OciBlob> manifest_for_this_machine(std::string_view index) {
  SERIN_TRY_ASSIGN(std::vector<OciBlob> blobs, parse_oci_index(index));
  SERIN_TRY_ASSIGN(const json::object object, read_document(index));
  const json::array& manifests = object.at("manifests").as_array();
  const std::string wanted = std::string(kOs) + "/" + std::string(kArchitecture);
  std::string there;
  for (std::size_t i = 0; i < blobs.size(); ++i) {
    const std::string platform = platform_of(manifests[i]);
    if (platform == wanted || (platform.empty() && blobs.size() == 1)) return std::move(blobs[i]);
    there += (there.empty() ? "" : ", ") + printable(platform);
  }
  return fail(Code::kNotFound, "it has no image for " + wanted + ", only for " + there);
}

}  // namespace serin::objects
