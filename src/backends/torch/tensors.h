// SPDX-License-Identifier: Apache-2.0
// Between our tensors and PyTorch's, without copying where memory is the host's.
#pragma once

#include <ATen/core/Tensor.h>

#include <optional>

#include "base/tensor.h"

namespace serin::backends {

std::optional<DType> dtype_of(at::ScalarType type);
at::ScalarType scalar_type_of(DType dtype);

// Shares the bytes and keeps them alive for as long as PyTorch holds the result.
at::Tensor view_of(const Tensor& tensor);
// A dense tensor's bytes on the host; shared when it lies there already.
Tensor host_tensor(const at::Tensor& tensor, DType dtype);

}  // namespace serin::backends
