// SPDX-License-Identifier: Apache-2.0
// Makes a package of a model as its framework saved it. The model's own code runs only in a sandbox
// (import_sandbox.h), in the framework's Python, through python/serin_export. Blocks for as long as
// the framework needs.
#pragma once

#include <chrono>
#include <filesystem>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "model/import_draft.h"
#include "model/package.h"

namespace serin::model {

enum class SourceKind { kTorchScript, kTorchPickle, kTorchExported, kSavedModel, kKeras };

// By what it holds, not by its name. kInvalidArgument saying what it looks like and what can be
// imported.
Result<SourceKind> recognise(const std::filesystem::path& source);
std::string_view name_of(SourceKind kind);  // "TorchScript", for people

// What is known of an argument that the file does not describe: "x=float32[N,3,64,64]".
struct InputShape {
  std::string name;
  DType dtype = DType::kFloat32;
  Shape shape;  // kBatchDimension first
};
Result<InputShape> parse_input_shape(std::string_view text);

struct ImportOptions {
  std::filesystem::path source;
  std::filesystem::path
      output;  // the package's folder, which must not exist; its name names the package
  std::string class_name =
      {};  // FILE:CLASS, for pickled modules, state_dicts and custom Keras layers
  std::vector<InputShape> inputs = {};  // for TorchScript and pickles
  std::filesystem::path exporter = {};  // the folder that holds serin_export/
  std::chrono::milliseconds deadline = std::chrono::minutes(10);
};

// Whether Serin's engine can serve the finished package, which is in its place only then. May be
// empty.
using Prove = std::function<Status(const Package& package)>;

struct Imported {
  Package package;
  std::vector<std::string> warnings;  // what was guessed or must be edited
  double verified = -1;  // largest difference of a converted model's results from the original's;
                         // -1: kept as it was
};

// kInvalidArgument for what the source lacks, naming the option that gives it; kFailedPrecondition
// when the framework's Python cannot be made (exporter.h) or without a sandbox.
Result<Imported> import_model(const ImportOptions& options, const Prove& prove = {});

}  // namespace serin::model
