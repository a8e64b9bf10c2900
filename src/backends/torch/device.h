// SPDX-License-Identifier: Apache-2.0
// What differs between a build of PyTorch with a GPU and one without: device_cpu.cc or
// device_cuda.cc implements it.
#pragma once

#include <cstdint>

#include "base/error.h"
#include "engine/backend.h"

namespace serin::backends {

// kUnimplemented where this build or machine has no such device. `memory_limit_bytes` caps what
// PyTorch takes; 0: no cap.
Status prepare_device(const engine::Device& device, std::uint64_t memory_limit_bytes);
// What PyTorch holds there for tensors; 0 for the host.
std::uint64_t allocated_bytes(const engine::Device& device);
// Gives unused memory back after an allocation failed.
void release_unused(const engine::Device& device);

}  // namespace serin::backends
