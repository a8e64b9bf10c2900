// SPDX-License-Identifier: Apache-2.0
#include "objects/oci_manifest.h"

#include "base/digest.h"
#include "base/json_members.h"
#include "base/words.h"
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

OciAnnotations read_annotations(const json::object& object) {
  OciAnnotations annotations;
  const json::object* given = object_of(member(object, "annotations"));
  if (given == nullptr) return annotations;
  for (const auto& [name, one] : *given) {
    if (one.is_string()) annotations.emplace(name, one.as_string());
  }
  return annotations;
}

std::string read_platform(const json::object& object) {
  const json::value* platform = member(object, "platform");
  if (object_of(platform) == nullptr) return {};
  return std::string(text_of(member(platform, "os"))) + "/" +
         std::string(text_of(member(platform, "architecture")));
}

Result<OciBlob> read_blob(const json::value& value, const std::string& where) {
  const json::object* object = value.if_object();
  if (object == nullptr) return invalid(where + " is no object");
  const json::value* size = object->if_contains("size");
  OciBlob blob{std::string(text_of(member(*object, "mediaType"))),
               std::string(text_of(member(*object, "digest"))), 0, read_annotations(*object),
               read_platform(*object)};
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
  const json::array* layers = array_of(member(object, "layers"));
  if (config == nullptr || layers == nullptr)
    return invalid("it is no image manifest: it has no config or no layers");
  if (layers->size() > kMostLayers)
    return fail(Code::kResourceExhausted, "the manifest has too many layers");
  OciManifest manifest;
  manifest.artifact_type = text_of(member(object, "artifactType"));
  manifest.annotations = read_annotations(object);
  SERIN_TRY_ASSIGN(manifest.config, read_blob(*config, "config"));
  for (const json::value& layer : *layers) {
    SERIN_TRY_ASSIGN(OciBlob blob,
                     read_blob(layer, "layers[" + std::to_string(manifest.layers.size()) + "]"));
    manifest.layers.push_back(std::move(blob));
  }
  return manifest;
}

Result<std::vector<OciBlob>> read_oci_index(const json::object& index) {
  const json::array* manifests = array_of(member(index, "manifests"));
  if (manifests == nullptr) return invalid("it is no index: it has no manifests");
  if (manifests->size() > kMostManifests)
    return fail(Code::kResourceExhausted, "the index has too many manifests");
  std::vector<OciBlob> blobs;
  for (const json::value& one : *manifests) {
    SERIN_TRY_ASSIGN(OciBlob blob,
                     read_blob(one, "manifests[" + std::to_string(blobs.size()) + "]"));
    blobs.push_back(std::move(blob));
  }
  return blobs;
}

Result<std::vector<OciBlob>> parse_oci_index(std::string_view text) {
  SERIN_TRY_ASSIGN(const json::object index, read_document(text));
  return read_oci_index(index);
}

Result<OciBlob> manifest_for_this_machine(std::string_view index) {
  SERIN_TRY_ASSIGN(std::vector<OciBlob> blobs, parse_oci_index(index));
  const std::string wanted = std::string(kOs) + "/" + std::string(kArchitecture);
  std::vector<std::string> platforms;
  for (OciBlob& blob : blobs) {
    if (blob.platform == wanted || (blob.platform.empty() && blobs.size() == 1))
      return std::move(blob);
    if (!blob.platform.empty()) platforms.push_back(printable(blob.platform));
  }
  return fail(Code::kNotFound, "it has no image for " + wanted + "; " + there_are(platforms));
}

}  // namespace serin::objects
