// SPDX-License-Identifier: Apache-2.0
// One repository of an OCI registry (distribution specification 1.1): blobs and manifests, named by
// their digests, and tags that point to manifests. It is no ObjectStore: content has the name that
// its bytes give it, and a tag is moved without a condition, so "put if absent" cannot be promised.
//
// 1. What comes is checked: a manifest against the digest in the reference, if it names one, and a
//    blob that is pulled from its beginning against its digest; kDataLoss when a registry lies.
// 2. Pulls and pushes of blobs go on where they were cut, as long as the registry remembers.
// 3. A push is visible only by its last step, push_manifest().
// 4. Credentials go to the registry and to the token service that it names, over TLS unless the
//    registry itself is spoken to without.
//
// Codes, threads, time and cancellation as in object_store.h; one OciRegistry may be used from any
// thread, one call after the other.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "objects/http.h"
#include "objects/object_store.h"
#include "objects/oci_reference.h"
#include "objects/retry.h"

namespace serin::objects {

struct OciBlob {
  std::string media_type;
  std::string digest;  // "sha256:…"
  std::uint64_t size = 0;
  std::map<std::string, std::string> annotations = {};
};

struct OciManifest {
  std::string artifact_type;
  OciBlob config;
  std::vector<OciBlob> layers;
  std::map<std::string, std::string> annotations = {};
  std::string digest = {};  // of a pulled one
};

// An image manifest as JSON, the same bytes each time; and read from what a registry sent.
std::string oci_manifest_json(const OciManifest& manifest);
Result<OciManifest> parse_oci_manifest(std::string_view text);

class OciRegistry {
 public:
  // Asks nothing of the network yet.
  static Result<std::unique_ptr<OciRegistry>> create(OciReference reference,
                                                     const Environment& environment,
                                                     const RetryPolicy& retry = {});
  virtual ~OciRegistry() = default;

  virtual Result<OciManifest> pull_manifest(const CancelToken& cancel) = 0;
  virtual Status pull_blob(const OciBlob& blob, std::uint64_t offset, const Sink& sink,
                           const CancelToken& cancel) = 0;
  // Does nothing where the registry has it already.
  virtual Status push_blob(const OciBlob& blob, const Body& body, const CancelToken& cancel) = 0;
  // Makes the reference's tag point to it; returns its digest.
  virtual Result<std::string> push_manifest(const OciManifest& manifest,
                                            const CancelToken& cancel) = 0;
};

}  // namespace serin::objects
