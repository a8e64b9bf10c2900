// SPDX-License-Identifier: Apache-2.0
// One TorchScript method on one device. See engine::Model for who may call it and when.
#pragma once

#include <torch/csrc/jit/api/module.h>

#include <memory>
#include <vector>

#include "backends/torch/tensor_model.h"

namespace serin::backends {

class TorchModel final : public TensorModel {
 public:
  // kInvalidArgument when the module has no such method, or the method takes other arguments than
  // the call declares.
  static Result<std::unique_ptr<engine::Model>> create(const torch::jit::Module& module,
                                                       const engine::LoadOptions& options);
  ~TorchModel() override { leave_lane(); }

 private:
  TorchModel(torch::jit::Module module, torch::jit::Method method,
             const engine::LoadOptions& options);
  void find_written_arguments();
  void count_weights();
  bool writes(std::size_t argument) const override { return written_[argument]; }
  Result<std::vector<at::Tensor>> compute(std::vector<at::Tensor> arguments) override;
  std::uint64_t weight_bytes() const override { return weight_bytes_; }
  Result<std::vector<at::Tensor>> results_of(const c10::IValue& value) const;

  torch::jit::Module module_;
  torch::jit::Method method_;
  std::vector<bool> written_;  // arguments that the method changes in place
  std::uint64_t weight_bytes_ = 0;
};

}  // namespace serin::backends
