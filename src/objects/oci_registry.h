// SPDX-License-Identifier: Apache-2.0
// One repository of an OCI registry (distribution specification 1.1): blobs and manifests, named by
// their digests, and tags that point to manifests. It is no ObjectStore: content has the name that
// its bytes give it, and a tag is moved without a condition, so "put if absent" cannot be promised.
//
// 1. What comes is checked: a document against the digest that it was asked for by, if it was, and
//    a blob that is pulled from its beginning against its digest; kDataLoss when a registry lies.
// 2. Pulls and pushes of blobs go on where they were cut, as long as the registry remembers.
// 3. A push is visible only by its last step, push_document().
// 4. Credentials go to the registry and to the token service that it names, over TLS unless the
//    registry itself is spoken to without. Nobody else has them by asking: not where a registry
//    leads for a blob, nor where it wants an upload.
//
// Codes, threads, time and cancellation as in object_store.h; one OciRegistry may be used from any
// thread, one call after the other.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "objects/http.h"
#include "objects/object_store.h"
#include "objects/oci_manifest.h"
#include "objects/oci_reference.h"
#include "objects/retry.h"

namespace serin::objects {

class OciRegistry {
 public:
  // Asks nothing of anybody yet: credentials are looked for once the registry wants some.
  static Result<std::unique_ptr<OciRegistry>> create(OciReference reference,
                                                     const Environment& environment,
                                                     const RetryPolicy& retry = {});
  virtual ~OciRegistry() = default;

  // What has this tag or digest in the reference's repository.
  virtual Result<OciDocument> pull_document(const std::string& name, const CancelToken& cancel) = 0;
  virtual Status pull_blob(const OciBlob& blob, std::uint64_t offset, const Sink& sink,
                           const CancelToken& cancel) = 0;
  // Does nothing where the registry has it already.
  virtual Status push_blob(const OciBlob& blob, const Body& body, const CancelToken& cancel) = 0;
  // Makes the tag point to it; all that it names must be there.
  virtual Status push_document(const std::string& name, const OciDocument& document,
                               const CancelToken& cancel) = 0;
  virtual const OciReference& reference() const = 0;

  // What the reference names; of an index of several platforms' images, the one for this machine.
  Result<OciDocument> pull_image(const CancelToken& cancel);
  // A blob in memory. kOutOfRange when it is longer than `limit` bytes.
  Result<std::string> pull_text(const OciBlob& blob, std::uint64_t limit,
                                const CancelToken& cancel);
};

}  // namespace serin::objects
