// SPDX-License-Identifier: Apache-2.0
// The first model.yaml of a package that somebody writes by hand: whole, with a comment at each
// place that has to be looked at. `serin package new`.
#pragma once

#include <filesystem>
#include <string>
#include <string_view>

#include "base/error.h"
#include "model/manifest.h"

namespace serin::model {

// Pure. parse_draft() takes it as it is; sealing wants the files that its comments ask for.
// kInvalidArgument for an engine whose packages hold no model.
Result<std::string> skeleton(std::string_view name, Task task, EngineKind engine);

// Makes `folder`, which must not exist yet, and those above it, with the skeleton as its
// model.yaml; the folder's name names the package.
Status make_skeleton(const std::filesystem::path& folder, Task task, EngineKind engine);

}  // namespace serin::model
