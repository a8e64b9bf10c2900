// SPDX-License-Identifier: Apache-2.0
// One TorchScript method on one device. See engine::Model for who may call it and when.
#pragma once

#include <torch/csrc/jit/api/module.h>

#include <memory>
#include <vector>

#include "backends/call_check.h"
#include "backends/torch/device.h"
#include "engine/backend.h"

namespace serin::backends {

class TorchModel final : public engine::Model {
 public:
  // kInvalidArgument when the module has no such method, or the method takes other arguments than
  // the call declares.
  static Result<std::unique_ptr<engine::Model>> create(torch::jit::Module module,
                                                       const engine::LoadOptions& options);

  Result<std::unique_ptr<engine::State>> make_state(std::span<const Carry> pairs,
                                                    std::int64_t batch) override;
  Result<std::vector<Tensor>> run(std::span<const Tensor> arguments, engine::State* state) override;
  std::uint64_t device_memory_bytes() const override;

 private:
  TorchModel(torch::jit::Module module, torch::jit::Method method,
             const engine::LoadOptions& options);
  void find_written_arguments();
  void count_weights();
  std::vector<at::Tensor> inputs_of(std::span<const Tensor> arguments,
                                    const std::vector<const at::Tensor*>& carried) const;
  Result<std::vector<at::Tensor>> call(std::vector<at::Tensor> inputs);
  Result<std::vector<at::Tensor>> results_of(const c10::IValue& value) const;

  torch::jit::Module module_;
  torch::jit::Method method_;
  model::Call call_;
  engine::Device device_;
  int threads_;
  std::vector<bool> written_;  // arguments that the method changes in place: those get a copy
  std::uint64_t weight_bytes_ = 0;
  std::unique_ptr<Lane> lane_;  // the last: it may hold recordings that read the weights
};

}  // namespace serin::backends
