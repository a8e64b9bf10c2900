// SPDX-License-Identifier: Apache-2.0
// A package as one file, NAME.serin: a tar archive compressed with zstd. Packing the same package
// gives the same bytes; unpacking trusts nothing in them. Both block.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "model/package.h"
#include "objects/body.h"

namespace serin::model {

// Opens the package with Verify::kDigests and writes it with its signature and attestations to
// `archive`, which is whole or not there.
Status pack_package(const std::filesystem::path& root, const std::filesystem::path& archive);

struct UnpackLimits {
  std::uint64_t bytes = std::uint64_t{256} << 30;  // of all files
  std::size_t entries = 25'000;
  std::uint64_t ratio = 1000;  // bytes for each compressed one, past `ratio_from`
  std::uint64_t ratio_from = std::uint64_t{64} << 20;
};

// Makes `folder`, which must not exist yet, and opens it with Verify::kDigests; nothing is left
// behind on an error. kInvalidArgument naming the entry that is absolute, climbs, is a link or a
// device, or stands twice; kResourceExhausted past a limit. A package may come in several archives,
// each compressed in its own way, or not.
Result<Package> unpack_package(const std::vector<objects::Body>& archives,
                               const std::filesystem::path& folder,
                               const UnpackLimits& limits = {});
Result<Package> unpack_package(const std::filesystem::path& archive,
                               const std::filesystem::path& folder,
                               const UnpackLimits& limits = {});

// The same from memory into an empty folder, without opening what came out.
Status unpack_bytes(std::string_view archive, const std::filesystem::path& empty_folder,
                    const UnpackLimits& limits = {});

}  // namespace serin::model
