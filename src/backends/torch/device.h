// SPDX-License-Identifier: Apache-2.0
// Where a model's calls run: on the host, or on a GPU.
#pragma once

#include <ATen/core/Tensor.h>
#include <c10/core/Device.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <vector>

#include "base/error.h"
#include "engine/backend.h"

namespace serin::backends {

c10::Device torch_device(const engine::Device& device);

// One model's way onto its device: on the host nothing but the call, on a GPU a stream, pinned
// copies and recorded graphs. Owned by the model and gone before it; one thread at a time, which
// may change. Every method may throw what PyTorch throws.
class Lane {
 public:
  using Tensors = std::vector<at::Tensor>;
  using Function = std::function<Result<Tensors>(Tensors)>;

  virtual ~Lane() = default;
  // On the device.
  virtual at::Tensor zeros(at::IntArrayRef shape, at::ScalarType type) = 0;
  // Runs `function` with the arguments on the device. Those on the host are copied there; others
  // are the lane's own results. A later call may overwrite the results of one whose arguments were
  // all on the host: bring them home first.
  virtual Result<Tensors> call(Tensors arguments, const Function& function) = 0;
  // Replaces tensors on the device by copies on the host, and waits for them. Skips undefined ones.
  virtual void bring_home(Tensors& tensors) = 0;
  // Gives back what can be had again, after an allocation failed.
  virtual void release() = 0;
  // What PyTorch holds on the device for all models; 0 for the host.
  virtual std::uint64_t allocated_bytes() const = 0;
};

// Before the model is loaded. kUnimplemented where this build or machine has no such device.
// `memory_limit_bytes` caps what PyTorch takes there; 0: no cap.
Status prepare_device(const engine::Device& device, std::uint64_t memory_limit_bytes);
// After the model was loaded.
std::unique_ptr<Lane> make_lane(const engine::Device& device);

// The same for a GPU: device_cuda.cc, or device_no_cuda.cc in a build without.
Status prepare_gpu(int index, std::uint64_t memory_limit_bytes);
std::unique_ptr<Lane> make_gpu_lane(int index);

}  // namespace serin::backends
