// SPDX-License-Identifier: Apache-2.0
// One compiled program on the CPU. See engine::Model for who may call it and when.
#pragma once

#include <torch/csrc/inductor/aoti_runner/model_container_runner_cpu.h>

#include <memory>
#include <vector>

#include "backends/torch/compile.h"
#include "backends/torch/tensor_model.h"

namespace serin::backends {

class CompiledModel final : public TensorModel {
 public:
  static Result<std::unique_ptr<engine::Model>> create(CompiledProgram compiled,
                                                       const engine::LoadOptions& options);
  ~CompiledModel() override { leave_lane(); }

 private:
  using Runner = torch::inductor::AOTIModelContainerRunner;

  CompiledModel(CompiledProgram compiled, std::unique_ptr<Runner> runner,
                const engine::LoadOptions& options);
  bool writes(std::size_t argument) const override { return compiled_.written[argument]; }
  Result<std::vector<at::Tensor>> compute(std::vector<at::Tensor> arguments) override;
  std::uint64_t weight_bytes() const override { return compiled_.program.weight_bytes; }

  CompiledProgram compiled_;
  std::unique_ptr<Runner> runner_;
  std::vector<std::size_t> order_;  // the program's result for each of the call's
};

}  // namespace serin::backends
