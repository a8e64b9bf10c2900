// SPDX-License-Identifier: Apache-2.0
#include "model/image/image.h"

#include <set>

#include "model/folder.h"
#include "model/image/config.h"
#include "objects/oci_copy.h"
#include "objects/tar.h"
#include "objects/text.h"

namespace serin::model {
namespace {

using objects::OciBlob;
using objects::OciLayout;
using objects::OciManifest;

constexpr std::string_view kArtifactConfigType = "application/vnd.cncf.model.config.v1+json";
constexpr std::string_view kArtifactWeights = "application/vnd.cncf.model.weight.v1.tar";
constexpr std::string_view kArtifactRest = "application/vnd.cncf.model.weight.config.v1.tar";
constexpr const char* kArtifactPath = "org.cncf.model.filepath";
constexpr const char* kBaseName = "org.opencontainers.image.base.name";
constexpr const char* kBaseDigest = "org.opencontainers.image.base.digest";

// What a model's file, or what lies in its folder, is called.
bool is_weight(const std::string& path, const std::string& model) {
  return !model.empty() && (path == model || path.starts_with(model + "/"));
}

// Every folder above a path, the outermost first, each once.
Status write_folders(objects::TarWriter& tar, const std::string& path,
                     std::set<std::string>& made) {
  for (std::size_t slash = path.find('/'); slash != std::string::npos;
       slash = path.find('/', slash + 1)) {
    if (made.insert(path.substr(0, slash)).second) SERIN_TRY(tar.folder(path.substr(0, slash)));
  }
  return {};
}

// By such a name, of a file or of a folder, a layer takes something of those below it away.
bool hides_another(const std::string& path) {
  return ("/" + path).find("/.wh.") != std::string::npos;
}

Result<OciBlob> write_layer(const Folder& folder, const std::vector<FoundFile>& files,
                            const std::string& prefix, std::string_view media_type, OciLayout& to) {
  return to.add(media_type, [&](const objects::Sink& sink) -> Status {
    objects::TarWriter tar(sink);
    std::set<std::string> made;
    for (const FoundFile& file : files) {
      if (hides_another(file.path))
        return invalid(file.path + ": in an image, a name that begins with .wh. removes another");
      SERIN_TRY(write_folders(tar, prefix + file.path, made));
      SERIN_TRY(tar.file(prefix + file.path, file.size, [&](const objects::Sink& content) {
        return folder.stream(file.path, content);
      }));
    }
    return tar.end();
  });
}

struct LayerTypes {
  std::string_view weights, rest;
};
constexpr LayerTypes kImageLayers{objects::kOciLayerType, objects::kOciLayerType};
constexpr LayerTypes kArtifactLayers{kArtifactWeights, kArtifactRest};

// The weights' layer first; none where there are none, as behind another server.
Result<std::vector<OciBlob>> write_layers(const Package& package, const std::string& prefix,
                                          const LayerTypes& types, OciLayout& to) {
  SERIN_TRY_ASSIGN(const Folder folder, Folder::open(package.root));
  SERIN_TRY_ASSIGN(const std::vector<FoundFile> files, folder.files());
  std::vector<FoundFile> weights, rest;
  for (const FoundFile& file : files)
    (is_weight(file.path, package.manifest.model) ? weights : rest).push_back(file);
  std::vector<OciBlob> layers;
  if (!weights.empty()) {
    SERIN_TRY_ASSIGN(OciBlob layer, write_layer(folder, weights, prefix, types.weights, to));
    layers.push_back(std::move(layer));
  }
  SERIN_TRY_ASSIGN(OciBlob layer, write_layer(folder, rest, prefix, types.rest, to));
  layers.push_back(std::move(layer));
  return layers;
}

Result<OciBlob> write_manifest(const OciManifest& manifest, OciLayout& to) {
  const objects::OciDocument document = objects::oci_manifest(manifest);
  return to.add(document.media_type, document.text);
}

// Docker's kinds of layers are OCI's by another name.
Result<std::string> layer_type(const std::string& type) {
  if (type.starts_with(objects::kOciLayerType)) return type;
  if (type == "application/vnd.docker.image.rootfs.diff.tar.gzip")
    return std::string(objects::kOciLayerType) + "+gzip";
  if (type == "application/vnd.docker.image.rootfs.diff.tar")
    return std::string(objects::kOciLayerType);
  return invalid("it has a layer of the kind " + objects::printable(type) +
                 ", which cannot be taken over");
}

Result<OciManifest> take_base(const Base& base, OciLayout& to, const CancelToken& cancel) {
  SERIN_TRY_ASSIGN(const OciBlob copied, copy_image(base.layout, base.image, to, cancel));
  SERIN_TRY_ASSIGN(const std::string text, to.text(copied));
  SERIN_TRY_ASSIGN(OciManifest manifest, objects::parse_oci_manifest(text));
  for (OciBlob& layer : manifest.layers) {
    SERIN_TRY_ASSIGN(layer.media_type, layer_type(layer.media_type));
  }
  manifest.annotations = {{kBaseName, base.name}, {kBaseDigest, copied.digest}};
  return manifest;
}

}  // namespace

Result<OciBlob> build_model_image(const Package& package, const Base& base, OciLayout& to,
                                  const CancelToken& cancel) {
  const auto of_base = [&base](Error error) {
    return fail(std::move(error).within("the base " + base.name));
  };
  auto taken = take_base(base, to, cancel);
  if (!taken) return of_base(taken.error());
  OciManifest manifest = *std::move(taken);
  SERIN_TRY_ASSIGN(const auto layers,
                   write_layers(package, std::string(kPackageFolder) + "/", kImageLayers, to));
  manifest.annotations.merge(package_annotations(package));
  SERIN_TRY_ASSIGN(const std::string base_config, to.text(manifest.config));
  const auto config =
      model_image_config(base_config, manifest.layers.size(), manifest.annotations, layers);
  if (!config) return of_base(config.error());
  manifest.layers.insert(manifest.layers.end(), layers.begin(), layers.end());
  SERIN_TRY_ASSIGN(manifest.config, to.add(objects::kOciConfigType, *config));
  return write_manifest(manifest, to);
}

Result<OciBlob> build_data_image(const Package& package, OciLayout& to) {
  OciManifest manifest;
  SERIN_TRY_ASSIGN(manifest.layers, write_layers(package, "", kImageLayers, to));
  manifest.annotations = package_annotations(package);
  SERIN_TRY_ASSIGN(
      manifest.config,
      to.add(objects::kOciConfigType, data_image_config(manifest.annotations, manifest.layers)));
  return write_manifest(manifest, to);
}

Result<OciBlob> build_artifact(const Package& package, OciLayout& to) {
  OciManifest manifest;
  SERIN_TRY_ASSIGN(manifest.layers, write_layers(package, "", kArtifactLayers, to));
  for (OciBlob& layer : manifest.layers) {
    if (layer.media_type == kArtifactWeights)
      layer.annotations[kArtifactPath] = package.manifest.model;
  }
  manifest.artifact_type = kArtifactType;
  manifest.annotations = package_annotations(package);
  SERIN_TRY_ASSIGN(manifest.config,
                   to.add(kArtifactConfigType, artifact_config(package.manifest, manifest.layers)));
  return write_manifest(manifest, to);
}

bool is_artifact_layer(std::string_view media_type) {
  if (!media_type.starts_with("application/vnd.cncf.model.")) return false;
  for (const std::string_view kind : {".v1.tar", ".v1.tar+gzip", ".v1.tar+zstd"}) {
    if (media_type.ends_with(kind)) return true;
  }
  return false;
}

}  // namespace serin::model
