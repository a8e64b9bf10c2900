// SPDX-License-Identifier: Apache-2.0
#include "backends/torch/tensors.h"

#include <ATen/ops/from_blob.h>

#include "base/check.h"

namespace serin::backends {
namespace {

struct Pair {
  DType ours;
  at::ScalarType theirs;
};
constexpr Pair kPairs[] = {
    {DType::kBool, at::kBool},     {DType::kUInt8, at::kByte},
    {DType::kInt8, at::kChar},     {DType::kInt16, at::kShort},
    {DType::kInt32, at::kInt},     {DType::kInt64, at::kLong},
    {DType::kFloat16, at::kHalf},  {DType::kBFloat16, at::kBFloat16},
    {DType::kFloat32, at::kFloat}, {DType::kFloat64, at::kDouble},
};

}  // namespace

std::optional<DType> dtype_of(at::ScalarType type) {
  for (const Pair& pair : kPairs) {
    if (pair.theirs == type) return pair.ours;
  }
  return std::nullopt;
}

at::ScalarType scalar_type_of(DType dtype) {
  for (const Pair& pair : kPairs) {
    if (pair.ours == dtype) return pair.theirs;
  }
  SERIN_CHECK(false);
}

at::Tensor view_of(const Tensor& tensor) {
  // The copy in the deleter shares the bytes: a model may give its argument back as its result.
  void* data = const_cast<std::byte*>(tensor.bytes().data());
  return at::from_blob(
      data, tensor.shape(), [kept = tensor](void*) {},
      at::TensorOptions().dtype(scalar_type_of(tensor.dtype())));
}

Tensor host_tensor(const at::Tensor& tensor, DType dtype) {
  const at::Tensor host = tensor.is_cpu() && tensor.is_contiguous()
                              ? tensor
                              : tensor.detach().to(at::kCPU).contiguous();
  Shape shape(host.sizes().begin(), host.sizes().end());
  if (host.numel() == 0) return {dtype, std::move(shape)};
  auto owner = std::make_shared<at::Tensor>(host);
  return {dtype, std::move(shape), owner, host.data_ptr()};
}

}  // namespace serin::backends
