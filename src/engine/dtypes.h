// SPDX-License-Identifier: Apache-2.0
// Numbers in and out of tensors of any dtype. Pure functions, safe from any thread.
#pragma once

#include <cstddef>

#include "base/tensor.h"

namespace serin::engine {

// Whether `value` can be stored: whole and in range for integers, 0 or 1 for bool, anything for
// floats.
bool fits(double value, DType dtype);
// Element `index` becomes `value`, rounded to the nearest that the dtype has.
void store(Tensor& tensor, std::size_t index, double value);
double load(const Tensor& tensor, std::size_t index);
// The same numbers as another dtype; the tensor itself where it has it already.
Tensor cast(const Tensor& tensor, DType dtype);
bool is_float(DType dtype);
// Place of the first element that is NaN or infinite; -1 when all are finite.
std::int64_t first_not_finite(const Tensor& tensor);

}  // namespace serin::engine
