// SPDX-License-Identifier: Apache-2.0
// From a model's arguments and results to a first model.yaml: what each argument may mean and what
// each result may be. Pure. What is guessed is said, in a remark at its place and in a warning.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "model/manifest.h"
#include "model/manifest_writer.h"

namespace serin::model {

// As its file declares it, or as it was seen to run.
struct ModelSignature {
  struct Value {
    std::string name;
    DType dtype = DType::kFloat32;
    Shape shape;                      // kBatchDimension first
    std::optional<double> low, high;  // of a result for noise
  };
  std::string method;
  std::int64_t batch = kBatchDimension;  // a number where the file fixes it
  std::int64_t least_batch = 1;          // where it does not
  std::vector<Value> arguments, results;
};

struct Draft {
  Manifest manifest;
  Remarks remarks;
  std::vector<std::string> warnings;
};

Draft draft_manifest(std::string name, EngineKind engine, std::string model,
                     const ModelSignature& signature);

// `text` as the name of a package: lower case, other characters as '-'. "model" where nothing is
// left.
std::string package_name(std::string_view text);

}  // namespace serin::model
