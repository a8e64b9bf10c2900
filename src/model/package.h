// SPDX-License-Identifier: Apache-2.0
// A package on disk, opened and checked. What it holds is untrusted until open() has returned.
#pragma once

#include <filesystem>
#include <string>

#include "base/error.h"
#include "model/manifest.h"

namespace serin::model {

struct Package {
  std::filesystem::path root;
  std::string digest;  // "sha256:…"
  Manifest manifest;

  std::filesystem::path file(std::string_view relative) const { return root / relative; }
};

enum class Verify {
  kStructure,  // model.yaml, sizes, no strangers, no links: no file is read
  kDigests,    // and every byte against its SHA-256
};

// Refuses links, absolute and climbing paths, files that model.yaml does not list, and special files.
Result<Package> open_package(const std::filesystem::path& root, Verify how);

}  // namespace serin::model
