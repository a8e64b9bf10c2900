// SPDX-License-Identifier: Apache-2.0
// What a torch.export archive (.pt2) says of itself, looked at before PyTorch reads it: compiling
// runs Python on it, and what comes out is machine code for the worker. So only names that stand
// for arithmetic get through: operations of PyTorch, expressions of sizes, containers of tensors;
// no pickles. Pure but for reading the archive; without PyTorch.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "backends/torch/archive.h"
#include "base/error.h"
#include "base/tensor.h"
#include "engine/backend.h"
#include "model/manifest.h"

namespace serin::backends {

struct ProgramDimension {
  std::int64_t least = 0, most = 0;  // equal where the program fixes it
  std::string symbol;                // dimensions of one symbol are equal; empty: fixed
  bool fixed() const { return symbol.empty(); }
};

struct ProgramValue {
  std::string name;
  DType dtype = DType::kFloat32;
  std::vector<ProgramDimension> shape;
};

struct ProgramWeight {
  std::string name;   // "layers.0.weight"
  std::string entry;  // of the archive
  DType dtype = DType::kFloat32;
};

struct ExportedProgram {
  std::string name;    // models/NAME.json; torch.export.save writes one, "model"
  std::string method;  // what a package calls it: "forward" for "model", else the name
  std::vector<ProgramValue> arguments, results;
  bool results_named = false;  // a dict of tensors; else "result" or "result0", "result1", …
  std::vector<ProgramWeight> weights;
  std::uint64_t weight_bytes = 0;
};

// kPermissionDenied for machine code, pickled weights, classes and operations other than
// arithmetic, each by its name; kInvalidArgument for what is broken or what a package cannot call.
Result<std::vector<ExportedProgram>> read_programs(const Archive& archive);

// kDataLoss naming the first weights that hold a NaN. Reads all of them.
Status check_weights(const Archive& archive, const ExportedProgram& program);

// kInvalidArgument naming the methods there are.
Result<const ExportedProgram*> find_method(const std::vector<ExportedProgram>& programs,
                                           const std::string& method);

// Whether the program takes what the package declares. Pure.
Status check_call(const ExportedProgram& program, const model::Call& call);
// Whether it was exported for these sizes: compiled code does not look. Pure.
Status check_shapes(const ExportedProgram& program, std::span<const Shape> shapes);

engine::Signature signature_of(const ExportedProgram& program);

}  // namespace serin::backends
