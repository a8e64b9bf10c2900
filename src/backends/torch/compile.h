// SPDX-License-Identifier: Apache-2.0
// The machine code of an exported program: from the cache, else compiled with AOTInductor by
// python/serin_export in the sandbox that foreign code gets (model/import_sandbox.h). Never taken
// from a package.
#pragma once

#include <filesystem>
#include <vector>

#include "backends/torch/exported_program.h"
#include "base/error.h"
#include "engine/backend.h"

namespace serin::backends {

struct CompiledProgram {
  ExportedProgram program;
  std::filesystem::path library;
  std::vector<bool> written;  // arguments that it changes in place
};

// What `options` calls, ready to be loaded. Blocks for minutes where it has to be compiled; a
// second process waits for the first. kFailedPrecondition, with the command that helps, without a
// Python, a compiler or the right to start them (a worker's sandbox).
Result<CompiledProgram> compiled_program(const engine::LoadOptions& options);

// Whether the file is an exported program; false for what is none or cannot be read.
bool is_exported_program(const std::filesystem::path& model);

// Checks every program of the file and its weights.
Result<std::vector<engine::Signature>> inspect_programs(const std::filesystem::path& model);

}  // namespace serin::backends
