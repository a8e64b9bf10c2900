// SPDX-License-Identifier: Apache-2.0
// The Open Inference Protocol's names of element types: "FP32".
#pragma once

#include <optional>
#include <string_view>

#include "base/tensor.h"

namespace serin {

std::string_view datatype_of(DType dtype);
// Nothing for BYTES, which is no number's, and for unknown names.
std::optional<DType> dtype_of(std::string_view datatype);

}  // namespace serin
