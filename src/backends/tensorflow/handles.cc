// SPDX-License-Identifier: Apache-2.0
#include "backends/tensorflow/handles.h"

#include <algorithm>
#include <utility>

#include "backends/call_check.h"
#include "base/check.h"

namespace serin::backends {
namespace {

struct Pair {
  DType ours;
  TF_DataType theirs;
};
constexpr Pair kPairs[] = {
    {DType::kBool, TF_BOOL},      {DType::kUInt8, TF_UINT8},       {DType::kInt8, TF_INT8},
    {DType::kInt16, TF_INT16},    {DType::kInt32, TF_INT32},       {DType::kInt64, TF_INT64},
    {DType::kFloat16, TF_HALF},   {DType::kBFloat16, TF_BFLOAT16}, {DType::kFloat32, TF_FLOAT},
    {DType::kFloat64, TF_DOUBLE},
};

}  // namespace

Error error_of(const TF_Status* status) {
  std::string message = TF_Message(status);
  // Behind the reason stand the names of the graph's nodes and how they came about.
  message.resize(std::min(message.size(), message.find("\n")));
  constexpr std::size_t kMost = 2000;
  if (message.size() > kMost) message.resize(kMost);
  const TF_Code code = TF_GetCode(status);
  if (code == TF_RESOURCE_EXHAUSTED) return out_of_memory(message);
  if (code == TF_FAILED_PRECONDITION || code == TF_NOT_FOUND)
    return Error{Code::kFailedPrecondition, "TensorFlow: " + message};
  const bool theirs = code == TF_INVALID_ARGUMENT || code == TF_OUT_OF_RANGE;
  return Error{theirs ? Code::kInvalidArgument : Code::kInternal, "TensorFlow: " + message};
}

std::optional<DType> dtype_of_tensorflow(int type) {
  for (const Pair& pair : kPairs) {
    if (pair.theirs == type) return pair.ours;
  }
  return std::nullopt;
}

TF_DataType tensorflow_type_of(DType dtype) {
  for (const Pair& pair : kPairs) {
    if (pair.ours == dtype) return pair.theirs;
  }
  SERIN_CHECK(false);
}

TensorHandle tensorflow_tensor(const Tensor& tensor) {
  auto kept = std::make_unique<Tensor>(tensor);
  void* data = const_cast<std::byte*>(tensor.bytes().data());
  const auto release = [](void*, std::size_t, void* owner) { delete static_cast<Tensor*>(owner); };
  return TensorHandle(TF_NewTensor(tensorflow_type_of(tensor.dtype()), tensor.shape().data(),
                                   static_cast<int>(tensor.shape().size()), data,
                                   tensor.byte_size(), release, kept.release()));
}

Shape shape_of(const TF_Tensor* tensor) {
  Shape shape;
  for (int i = 0; i < TF_NumDims(tensor); ++i) shape.push_back(TF_Dim(tensor, i));
  return shape;
}

Tensor host_tensor(TensorHandle tensor) {
  const auto dtype = dtype_of_tensorflow(TF_TensorType(tensor.get()));
  SERIN_CHECK(dtype.has_value());
  Shape shape = shape_of(tensor.get());
  if (TF_TensorByteSize(tensor.get()) == 0) return {*dtype, std::move(shape)};
  void* data = TF_TensorData(tensor.get());
  return {*dtype, std::move(shape), std::shared_ptr<TF_Tensor>(tensor.release(), TF_DeleteTensor),
          data};
}

}  // namespace serin::backends
