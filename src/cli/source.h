// SPDX-License-Identifier: Apache-2.0
// What `serve` and `package` share about packages that come from elsewhere.
#pragma once

#include <filesystem>
#include <string>

#include "base/files.h"
#include "model/source.h"

namespace CLI {
class App;
}

namespace serin::cli {

// For the help of an argument that names a package.
inline constexpr const char* kSourceHelp =
    "NAME:VERSION, a package's folder or archive, or file://, s3://, azblob:// or oci://…";

// What stands on the line about fetching.
struct SourceLine {
  std::string digest;
  std::filesystem::path registry = state_directory() / "registry";
  std::uint64_t cache_bytes = model::SourceOptions().cache_bytes;
};
void add_registry_option(CLI::App& command, SourceLine& line);
void add_source_options(CLI::App& command, SourceLine& line);

// Says on the log how far a fetch has come. Ignores SIGPIPE from now on: a peer that goes away is
// an error of the fetch.
model::SourceOptions source_options(const SourceLine& line);

}  // namespace serin::cli
