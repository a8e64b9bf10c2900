// SPDX-License-Identifier: Apache-2.0
#include <ATen/cuda/CUDAContext.h>
#include <c10/cuda/CUDACachingAllocator.h>

#include <algorithm>

#include "backends/torch/device.h"

namespace serin::backends {

Status prepare_device(const engine::Device& device, std::uint64_t memory_limit_bytes) {
  if (device.kind == engine::Device::Kind::kCpu) return {};
  const int count = at::cuda::getNumGPUs();
  if (device.index >= count) {
    return fail(Error{Code::kUnimplemented,
                      "no device cuda:" + std::to_string(device.index) + ": PyTorch sees " +
                          std::to_string(count) + " GPUs",
                      "no_cuda"});
  }
  const auto* properties =
      at::cuda::getDeviceProperties(static_cast<c10::DeviceIndex>(device.index));
  const double share = memory_limit_bytes == 0
                           ? 1.0
                           : static_cast<double>(memory_limit_bytes) /
                                 static_cast<double>(properties->totalGlobalMem);
  c10::cuda::CUDACachingAllocator::init(count);
  c10::cuda::CUDACachingAllocator::setMemoryFraction(std::min(share, 1.0),
                                                     static_cast<c10::DeviceIndex>(device.index));
  return {};
}

std::uint64_t allocated_bytes(const engine::Device& device) {
  if (device.kind == engine::Device::Kind::kCpu) return 0;
  const auto stats =
      c10::cuda::CUDACachingAllocator::getDeviceStats(static_cast<c10::DeviceIndex>(device.index));
  return static_cast<std::uint64_t>(stats.reserved_bytes[0].current);
}

void release_unused(const engine::Device& device) {
  if (device.kind == engine::Device::Kind::kCuda) c10::cuda::CUDACachingAllocator::emptyCache();
}

}  // namespace serin::backends
