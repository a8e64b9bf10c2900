// SPDX-License-Identifier: Apache-2.0
// The JSON that stands beside an image's layers: how it is run, what it says of itself. Pure.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "model/package.h"
#include "objects/oci_manifest.h"

namespace serin::model {

// Where a model image has its package.
inline constexpr std::string_view kPackageFolder = "package";

// What is said of a package in labels and annotations: its name, description and license by the
// image specification's keys, and its digest.
objects::OciAnnotations package_annotations(const Package& package);

// The base's config, made to serve the package: entry point, port, a user that is not root, labels
// and two more layers. Its environment, folders and other labels stay. kInvalidArgument for a base
// that is for another machine, has no entry point, or is not made of `base_layers` layers.
Result<std::string> model_image_config(std::string_view base_config, std::size_t base_layers,
                                       const objects::OciAnnotations& labels,
                                       const std::vector<objects::OciBlob>& layers);
std::string data_image_config(const objects::OciAnnotations& labels,
                              const std::vector<objects::OciBlob>& layers);
// CNCF ModelPack's.
std::string artifact_config(const Manifest& manifest, const std::vector<objects::OciBlob>& layers);

}  // namespace serin::model
