// SPDX-License-Identifier: Apache-2.0
// A package in the three forms that registries and clusters know, made in a layout
// (objects/oci_layout.h), the same bytes each time:
//
//   model image   a runtime with the package at /package: what a pod or `docker run` starts
//   data image    the package alone, at /: what a Kubernetes image volume mounts
//   artifact      the package as CNCF ModelPack has it: what fetch_package() reads from oci://
//
// All carry it as two plain tar layers, the weights (what `model:` names) and the rest, so that a
// registry and a node keep the weights once while model.yaml changes. They are not compressed:
// weights hardly shrink, and what a compressor gives depends on its version. The package must have
// been opened with Verify::kDigests. Block while they write.
#pragma once

#include <string>
#include <string_view>

#include "model/package.h"
#include "objects/oci_layout.h"

namespace serin::model {

inline constexpr std::string_view kArtifactType = "application/vnd.cncf.model.manifest.v1+json";
inline constexpr const char* kPackageAnnotation = "dev.serin.package.digest";

// What a model image is made of: an image whose entry point is `serin`.
struct Base {
  objects::OciLayout layout;
  objects::OciBlob image;
  std::string name;  // said in the image's labels
};

// Each gives the manifest, which has no name yet. kInvalidArgument for a base that is no runtime.
Result<objects::OciBlob> build_model_image(const Package& package, const Base& base,
                                           objects::OciLayout& to, const CancelToken& cancel);
Result<objects::OciBlob> build_data_image(const Package& package, objects::OciLayout& to);
Result<objects::OciBlob> build_artifact(const Package& package, objects::OciLayout& to);

// Of an artifact's layers, those that are tar archives: with a package in them or a part of one.
// Weights, configuration, documentation and code, compressed or not.
bool is_artifact_layer(std::string_view media_type);

}  // namespace serin::model
