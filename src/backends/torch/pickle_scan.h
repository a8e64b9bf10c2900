// SPDX-License-Identifier: Apache-2.0
// Reads a pickle's opcodes without running any: which globals would it look up? Pure; safe on any
// bytes.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"

namespace serin::backends {

// "module.name" of every GLOBAL, each once. kInvalidArgument for what is no pickle;
// kPermissionDenied for opcodes that look names up in other ways (INST, STACK_GLOBAL, EXT), which
// TorchScript never writes.
Result<std::vector<std::string>> pickle_globals(std::string_view bytes);

// What the pickles of a TorchScript archive may name: tensors and storages, lists, and classes of
// the archive itself.
bool is_known_torchscript_global(std::string_view name);

}  // namespace serin::backends
