// SPDX-License-Identifier: Apache-2.0
// What a loaded TorchScript module is made of, looked at before it runs: its operations and its
// weights.
#pragma once

#include <string>
#include <vector>

#include "base/error.h"
#include "base/tensor.h"

namespace torch::jit {
struct Module;
}

namespace serin::backends {

// kPermissionDenied naming the first operation or class that is not allowed, and the method that
// uses it.
Status check_operations(const torch::jit::Module& module);
// kDataLoss naming the first parameter, buffer or constant that holds a NaN.
Status check_weights(const torch::jit::Module& module);

}  // namespace serin::backends
