// SPDX-License-Identifier: Apache-2.0
// Packages that came from elsewhere, unpacked and checked, each in a folder named by its digest.
// Shared by every process of a machine that uses the same folder: the first one to want an archive
// fetches it, the others wait; one that was cut goes on where it was. Bounded: what nobody uses
// goes, the longest unused first.
//
//   FOLDER/sha256-HEX/         a package; HEX.lock beside it is held by those who use it
//   FOLDER/archives/KEY        the digest of the archive that KEY, made of its identity, stands for
//   FOLDER/archives/KEY.part   an archive on its way
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "base/cancel.h"
#include "base/descriptor.h"
#include "model/package.h"
#include "objects/download.h"

namespace serin::model {

// One archive, somewhere, or several that lie in one after another.
struct Archive {
  std::string name;      // for messages
  std::string identity;  // the same for the same bytes alone: a URL with its etag, a digest
  std::vector<objects::Part> parts;
  objects::ReadFrom read;

  std::uint64_t size() const;
};

// A package for as long as this lives: it is not removed meanwhile.
struct HeldPackage {
  std::filesystem::path root;
  std::string digest;  // "sha256:…"; empty for a folder that nobody has opened yet
  Descriptor lock;
};

class PackageCache {
 public:
  PackageCache(std::filesystem::path folder, std::uint64_t limit_bytes)
      : folder_(std::move(folder)), limit_(limit_bytes) {}

  // Blocks while it fetches, unpacks and checks, or while another process does. kDataLoss for an
  // archive that is not the promised bytes, and what unpack_package() refuses.
  Result<HeldPackage> get(const Archive& archive, const CancelToken& cancel) const;

 private:
  Result<HeldPackage> fetch(const Archive& archive, const std::string& key,
                            const CancelToken& cancel) const;
  Status take_place(const std::filesystem::path& unpacked, const std::string& sha256,
                    const CancelToken& cancel) const;
  std::filesystem::path place_of(const std::string& sha256) const;
  Result<HeldPackage> hold(const std::string& sha256) const;
  void evict() const;

  std::filesystem::path folder_;
  std::uint64_t limit_;
};

}  // namespace serin::model
