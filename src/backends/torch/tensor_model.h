// SPDX-License-Identifier: Apache-2.0
// What TorchScript methods and compiled programs have in common: host tensors in, the call that one
// of them makes, host tensors out, state between calls. See engine::Model for who may call it and
// when.
#pragma once

#include <ATen/core/Tensor.h>

#include <memory>
#include <optional>
#include <vector>

#include "backends/call_check.h"
#include "backends/torch/device.h"
#include "engine/backend.h"

namespace serin::backends {

class TensorModel : public engine::Model {
 public:
  Result<std::unique_ptr<engine::State>> make_state(std::span<const Carry> pairs,
                                                    std::int64_t batch) override;
  std::size_t calls_at_once() const override { return 1; }
  Result<std::vector<Tensor>> run(std::span<const Tensor> arguments, engine::State* state,
                                  const engine::Abandoned& abandoned) override;
  std::uint64_t device_memory_bytes() const override;

 protected:
  // After the model is on its device.
  explicit TensorModel(const engine::LoadOptions& options)
      : call_(options.call),
        device_(options.device),
        threads_(options.threads),
        lane_(make_lane(options.device)) {}
  // In the destructor of what owns the weights: the lane may hold recordings that read them.
  void leave_lane() { lane_.reset(); }

  // Arguments that the call changes in place get a copy, unless they are the state's.
  virtual bool writes(std::size_t argument) const = 0;
  // Arguments on the device, in the order of the call; gives results in the order of the call. May
  // throw what PyTorch throws.
  virtual Result<std::vector<at::Tensor>> compute(std::vector<at::Tensor> arguments) = 0;
  virtual std::uint64_t weight_bytes() const = 0;

  const model::Call& declared() const { return call_; }

 private:
  using Carried = std::vector<const at::Tensor*>;  // by argument; null where it is given
  std::vector<at::Tensor> inputs_of(std::span<const Tensor> arguments,
                                    const Carried& carried) const;
  // What PyTorch refused, said of what the package declares: TorchScript knows no dtypes, so that
  // the first call tells whether they are right.
  Error first_refusal(const Error& theirs, std::span<const Tensor> arguments,
                      const Carried& carried);
  std::optional<DType> taken_as(std::size_t argument, std::span<const Tensor> arguments,
                                const Carried& carried);

  model::Call call_;
  engine::Device device_;
  int threads_;
  std::unique_ptr<Lane> lane_;
  bool called_ = false;
};

}  // namespace serin::backends
