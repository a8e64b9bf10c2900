// SPDX-License-Identifier: Apache-2.0
// Shared objects of ours, loaded by the process that needs them. Safe from any thread.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "base/error.h"

namespace serin {

// Where one may stand: beside the program (a build folder), or as installed.
std::vector<std::filesystem::path> places_of_shared_object(const std::string& file);

// What `symbol` names in the object at `path`. It is never unloaded: threads that it starts may
// outlive its use. kFailedPrecondition with the loader's reason; kInternal without the symbol.
Result<void*> load_symbol(const std::filesystem::path& path, const char* symbol);

}  // namespace serin
