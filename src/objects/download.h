// SPDX-License-Identifier: Apache-2.0
// A file that comes from elsewhere: goes on where it was cut, also by the end of the process that
// fetched it, and is what was promised or not there. Blocks; whoever calls keeps others away.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <string>
#include <vector>

#include "base/error.h"
#include "objects/object_store.h"

namespace serin::objects {

// Files that lie in one, one after another.
struct Part {
  std::uint64_t size = 0;
  std::string sha256 = {};  // in hex; empty where nobody promised one
};

// Gives what comes from `offset` on.
using ReadFrom = std::function<Status(std::uint64_t offset, const Sink& sink)>;

// Fetches what `to` lacks, and returns the SHA-256 of each part. kDataLoss when what came is
// something else: then the file is gone, so that the next try begins anew.
Result<std::vector<std::string>> download(const std::filesystem::path& to,
                                          const std::vector<Part>& parts, const ReadFrom& read);

}  // namespace serin::objects
