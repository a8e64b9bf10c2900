// SPDX-License-Identifier: Apache-2.0
// Images and artifacts as files: an OCI image layout (image specification 1.1), which is a folder
// or a .tar of one. What `docker save`, `podman save --format oci-archive`, `buildah push oci:…`
// and `skopeo copy … oci:…` write, and what docker, podman, containerd and skopeo load.
//
//   oci-layout              which version of the format
//   index.json              what is called how
//   blobs/sha256/HEX        everything else, by its digest; HEX.part: on its way
//
// A folder may be shared by processes: a blob appears whole, and names change under a lock. A .tar
// is read where it lies and never unpacked. Blocks; one thread an object.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/cancel.h"
#include "base/descriptor.h"
#include "base/error.h"
#include "base/json.h"
#include "objects/body.h"
#include "objects/download.h"
#include "objects/oci_manifest.h"
#include "objects/tar.h"

namespace serin::objects {

class OciLayout {
 public:
  // To read. kNotFound where there is nothing, kInvalidArgument for what is no layout.
  static Result<OciLayout> open(const std::filesystem::path& place);
  // To write too: a folder, made where it is missing. No blob is removed while this lives.
  static Result<OciLayout> create(const std::filesystem::path& folder);

  struct Named {
    std::string name;  // empty: it has none
    OciBlob manifest;  // or an index
  };
  // Sorted by name.
  Result<std::vector<Named>> names() const;
  // Of that name; the only one there is when `name` is empty. kNotFound, saying what there is.
  Result<OciBlob> find(std::string_view name) const;

  // Whether it is here whole; its bytes are not looked at.
  bool has(const OciBlob& blob) const;
  // Its bytes as they are: nobody compares them with the digest. kNotFound, or kDataLoss when it is
  // not as long as it should be.
  Result<Body> blob(const OciBlob& blob) const;
  // A manifest, an index or a config, compared with its digest.
  Result<std::string> text(const OciBlob& blob) const;
  // A manifest by what names it: of an index, the one for this machine's platform.
  Result<OciDocument> image(const OciBlob& named) const;

  // Each makes a blob, or leaves the one that is there.
  Result<OciBlob> add(std::string_view media_type, std::string_view bytes);
  Result<OciBlob> add(std::string_view media_type, const std::function<Status(const Sink&)>& write);
  // Fetches it; goes on where an earlier call was cut. kDataLoss when it is not what its digest
  // says.
  Status fetch(const OciBlob& blob, const ReadFrom& read, const CancelToken& cancel);

  // Gives a name to a manifest that is here, and takes it from another one.
  Status name(std::string_view name, const OciBlob& manifest);
  // kNotFound when nothing is called so.
  Status unname(std::string_view name);
  // Removes the blobs that nothing with a name needs; how many bytes. None while another process
  // writes here: then kUnavailable. Not on what create() gave.
  Result<std::uint64_t> prune();

  // As one file, whole or not there: a layout with this image alone, under this name, and what
  // older versions of docker need to load it.
  Status write_tar(const std::filesystem::path& to, std::string_view name,
                   const OciBlob& manifest) const;

 private:
  explicit OciLayout(std::filesystem::path place) : place_(std::move(place)) {}
  Status check() const;
  Result<Body> file(const std::string& path) const;
  struct Index;
  Result<Index> index() const;
  Status change_index(const std::function<Result<json::array>(const Index&)>& change);
  std::filesystem::path path_of(const OciBlob& blob) const;

  std::filesystem::path place_;
  std::map<std::string, Body> inside_;             // of a .tar
  std::shared_ptr<const Descriptor> in_use_ = {};  // a shared lock: nobody prunes
};

}  // namespace serin::objects
