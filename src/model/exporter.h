// SPDX-License-Identifier: Apache-2.0
// Runs python/serin_export in the Python that has a model's framework, inside the sandbox
// (import_sandbox.h): how import converts models and how exported programs are compiled. Blocks for
// as long as the framework needs.
#pragma once

#include <chrono>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "base/json.h"

namespace serin::model {

enum class Framework { kTorch, kTensorflow };
std::string_view name_of(Framework framework);  // "torch", also of its environment

// python/ of a checkout, share/serin/python where Serin is installed; it holds serin_export/.
// kFailedPrecondition when it is not beside the program.
Result<std::filesystem::path> exporter_folder();

// The interpreter: $SERIN_PYTHON_TORCH or $SERIN_PYTHON_TENSORFLOW, else the environment in the
// cache folder. kFailedPrecondition, naming the command that makes one, where there is none.
Result<std::filesystem::path> find_python(Framework framework);
// The same; makes the environment in the cache folder where it is missing: minutes, with the
// network, saying on standard error what it does. kFailedPrecondition, with the command to try
// again, when that fails.
Result<std::filesystem::path> make_python(Framework framework);

struct ExporterJob {
  std::filesystem::path python;    // of find_python() or make_python()
  std::filesystem::path exporter;  // of exporter_folder()
  std::filesystem::path work;      // an empty folder: what it writes is in work/out
  json::object job;                // see python/serin_export/__main__.py
  std::vector<std::filesystem::path> readable = {};
  std::chrono::milliseconds deadline = std::chrono::minutes(10);
};

// What it reports, which foreign code may have written: nothing in it is to be taken for granted.
// kInvalidArgument with its own words when it refuses the model.
Result<json::value> run_exporter(const ExporterJob& job);

// Copies regular files that foreign code wrote; links are refused.
class Folder;
Status copy_folder(const Folder& from, const std::filesystem::path& to);

}  // namespace serin::model
