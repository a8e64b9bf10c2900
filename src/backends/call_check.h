// SPDX-License-Identifier: Apache-2.0
// What a package declared of a call, held against what is given and what comes back. Pure; every
// backend uses it, so that they refuse the same things in the same words.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "base/tensor.h"
#include "engine/backend.h"
#include "model/manifest.h"

namespace serin::backends {

// The values that N and T took in one call.
struct Dimensions {
  std::optional<std::int64_t> batch = {};
  std::optional<std::int64_t> loop = {};
};

// The declared shape with N and T filled in. kInvalidArgument when one of them is not known.
Result<Shape> concrete_shape(const Shape& declared, const Dimensions& dimensions);

// Empty tensors are those that a state feeds; `carried` says which those are. kInvalidArgument for
// a wrong count, dtype or shape, and when N or T differ between arguments.
Result<Dimensions> check_arguments(const model::Call& call, std::span<const Tensor> arguments,
                                   const std::vector<bool>& carried, Dimensions known = {});

// kInternal: the package declares something else than its model gives.
Status check_result(const model::ResultSpec& declared, DType dtype, const Shape& shape,
                    const Dimensions& dimensions);

// kResourceExhausted, "out_of_memory": worth another try when others have given memory back.
Error out_of_memory(std::string_view what);

// A carry names arguments and results that exist, each once, of equal dtype and shape, without T.
Status check_carry(const model::Call& call, std::span<const engine::Model::Carry> pairs);

// True when memory at `data` belongs to one of the arguments: a model gave back what it was given.
bool lies_in(const void* data, std::span<const Tensor> arguments);

// True where a float tensor's bytes hold a NaN; false for other dtypes.
bool holds_nan(DType dtype, std::span<const std::byte> bytes);

}  // namespace serin::backends
