// SPDX-License-Identifier: Apache-2.0
// What OCI registries and layouts say of an image or an artifact: manifests, and indexes of them
// (image specification 1.1; Docker's own kinds are read too). Values, and pure functions on them.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "base/json.h"

namespace serin::objects {

inline constexpr std::string_view kOciManifestType = "application/vnd.oci.image.manifest.v1+json";
inline constexpr std::string_view kOciIndexType = "application/vnd.oci.image.index.v1+json";
inline constexpr std::string_view kOciConfigType = "application/vnd.oci.image.config.v1+json";
inline constexpr std::string_view kOciLayerType = "application/vnd.oci.image.layer.v1.tar";
inline constexpr std::string_view kDockerManifestType =
    "application/vnd.docker.distribution.manifest.v2+json";
inline constexpr std::string_view kDockerIndexType =
    "application/vnd.docker.distribution.manifest.list.v2+json";

inline constexpr std::uint64_t kLargestManifest = std::uint64_t{4} << 20;

// The platform whose images run here.
inline constexpr std::string_view kOs = "linux";
inline constexpr std::string_view kArchitecture = "amd64";

using OciAnnotations = std::map<std::string, std::string>;

struct OciBlob {
  std::string media_type;
  std::string digest;  // "sha256:…"
  std::uint64_t size = 0;
  OciAnnotations annotations = {};
  std::string platform = {};  // "linux/amd64", of what an index names; empty: it says nothing of it
};

struct OciManifest {
  std::string artifact_type;  // empty: an image
  OciBlob config;
  std::vector<OciBlob> layers;
  OciAnnotations annotations = {};
};

// A manifest or an index as the bytes that its digest is of.
struct OciDocument {
  std::string media_type;
  std::string text;

  std::string digest() const;
  OciBlob blob() const;  // that names it
};

bool is_oci_index(std::string_view media_type);

// As JSON, the same bytes each time; and read from what somebody sent.
OciDocument oci_manifest(const OciManifest& manifest);
Result<OciManifest> parse_oci_manifest(std::string_view text);

// The manifests that an index names, in its order.
Result<std::vector<OciBlob>> read_oci_index(const json::object& index);
Result<std::vector<OciBlob>> parse_oci_index(std::string_view text);
// The one for this machine's platform. kNotFound, naming those that there are.
Result<OciBlob> manifest_for_this_machine(std::string_view index);

}  // namespace serin::objects
