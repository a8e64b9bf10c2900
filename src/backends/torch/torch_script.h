// SPDX-License-Identifier: Apache-2.0
// TorchScript files: checked, loaded, described. Called by the backend on the loading thread;
// foreign exceptions end here.
#pragma once

#include <torch/csrc/jit/api/module.h>

#include <filesystem>
#include <vector>

#include "base/error.h"
#include "engine/backend.h"

namespace serin::backends {

// Refuses what is not a harmless TorchScript archive, with the message that helps; see
// engine::Backend::inspect.
Result<torch::jit::Module> load_script(const std::filesystem::path& path, c10::Device device);

std::vector<engine::Signature> signatures_of(const torch::jit::Module& module);

// What PyTorch said, without its stack of C++ frames; out-of-memory is kResourceExhausted, all else
// kInternal.
Error error_of_exception(const std::exception& problem);

}  // namespace serin::backends
