// SPDX-License-Identifier: Apache-2.0
#include "backends/torch/device.h"

#include <ATen/ops/zeros.h>

namespace serin::backends {
namespace {

class HostLane final : public Lane {
 public:
  at::Tensor zeros(at::IntArrayRef shape, at::ScalarType type) override {
    return at::zeros(shape, at::TensorOptions().dtype(type));
  }
  Result<Tensors> call(Tensors arguments, const Function& function) override {
    return function(std::move(arguments));
  }
  void bring_home(Tensors&) override {}
  void release() override {}
  std::uint64_t allocated_bytes() const override { return 0; }
};

bool on_host(const engine::Device& device) { return device.kind == engine::Device::Kind::kCpu; }

}  // namespace

c10::Device torch_device(const engine::Device& device) {
  if (on_host(device)) return {c10::kCPU};
  return {c10::kCUDA, static_cast<c10::DeviceIndex>(device.index)};
}

Status prepare_device(const engine::Device& device, std::uint64_t memory_limit_bytes) {
  return on_host(device) ? Status{} : prepare_gpu(device.index, memory_limit_bytes);
}

std::unique_ptr<Lane> make_lane(const engine::Device& device) {
  if (on_host(device)) return std::make_unique<HostLane>();
  return make_gpu_lane(device.index);
}

}  // namespace serin::backends
