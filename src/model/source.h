// SPDX-License-Identifier: Apache-2.0
// Where a package comes from and goes to, by what a user writes for it:
//
//   storyteller:v2                     a package of this machine, by name (registry.h)
//   ./folder, file:///srv/folder       a package's folder: used where it is
//   ./glyphs.serin, file:///…          an archive
//   s3://BUCKET/KEY                    an archive in S3
//   azblob://ACCOUNT/CONTAINER/KEY     an archive in Azure Blob
//   oci://HOST/REPOSITORY[:TAG|@DIGEST]  an artifact in a registry (image/image.h)
//
// Archives are fetched and unpacked into the cache (package_cache.h). Blocks; any thread.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <string>

#include "base/cancel.h"
#include "model/package_cache.h"
#include "objects/http.h"

namespace serin::model {

struct SourceOptions {
  std::filesystem::path cache;
  std::filesystem::path registry;  // empty: this machine has none
  std::uint64_t cache_bytes = std::uint64_t{32} << 30;
  std::string digest;  // of the package that it must be ("sha256:…"); empty: any
  objects::Environment environment = objects::process_environment();
  // Called now and then while bytes come in, on the calling thread.
  std::function<void(std::uint64_t done, std::uint64_t total)> progress = [](auto, auto) {};
  CancelToken cancel;
};

// The package in a folder of this machine. Its bytes are checked on their way into the cache;
// whoever opens it later decides again what to check. kDataLoss when it is not options.digest.
Result<HeldPackage> fetch_package(const std::string& source, const SourceOptions& options);

// What the package's digest is, as fetch_package() would find it. A registry says so beside an
// artifact or an image of ours, and whoever fetches that compares; else it is fetched.
Result<std::string> digest_of_package(const std::string& source, const SourceOptions& options);

// Writes the package in `root` to an archive, an object or a registry, or gives it a name on this
// machine; returns what was written there ("sha256:…" of the archive, of the artifact's manifest,
// or of the package itself). Unless `replace`, something else that is there already stays and is
// kAlreadyExists; the same is success.
struct Pushed {
  std::string package;  // digest of the package
  std::string stored;   // digest of what was stored
};
Result<Pushed> push_package(const std::filesystem::path& root, const std::string& destination,
                            bool replace, const SourceOptions& options);

// Whether it is written as a URL; otherwise it is a path.
bool is_url(std::string_view source);

}  // namespace serin::model
