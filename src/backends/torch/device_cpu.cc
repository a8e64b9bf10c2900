// SPDX-License-Identifier: Apache-2.0
#include "backends/torch/device.h"

namespace serin::backends {

Status prepare_device(const engine::Device& device, std::uint64_t) {
  if (device.kind == engine::Device::Kind::kCpu) return {};
  return fail(
      Error{Code::kUnimplemented,
            "this build runs PyTorch on the CPU only; for cuda:" + std::to_string(device.index) +
                " build with the preset \"cuda\", or give --device cpu",
            "no_cuda"});
}

std::uint64_t allocated_bytes(const engine::Device&) { return 0; }
void release_unused(const engine::Device&) {}

}  // namespace serin::backends
