// SPDX-License-Identifier: Apache-2.0
// Owners for what TensorFlow's C API gives out, and its words turned into ours.
#pragma once

#include <tensorflow/c/c_api.h>

#include <memory>
#include <optional>

#include "base/error.h"
#include "base/tensor.h"

namespace serin::backends {

template <auto kDelete>
struct Deleter {
  template <class T>
  void operator()(T* held) const {
    kDelete(held);
  }
};
using StatusHandle = std::unique_ptr<TF_Status, Deleter<TF_DeleteStatus>>;
using TensorHandle = std::unique_ptr<TF_Tensor, Deleter<TF_DeleteTensor>>;
using GraphHandle = std::unique_ptr<TF_Graph, Deleter<TF_DeleteGraph>>;
using OptionsHandle = std::unique_ptr<TF_SessionOptions, Deleter<TF_DeleteSessionOptions>>;
using BufferHandle = std::unique_ptr<TF_Buffer, Deleter<TF_DeleteBuffer>>;

// TensorFlow's codes are the canonical ones. Anything else than those that a caller can act on is
// kInternal.
Error error_of(const TF_Status* status);

std::optional<DType> dtype_of_tensorflow(int type);
TF_DataType tensorflow_type_of(DType dtype);

// Shares the bytes where they are aligned as TensorFlow wants, else copies; keeps them alive either
// way.
TensorHandle tensorflow_tensor(const Tensor& tensor);
// Takes the tensor and shares its bytes. The dtype must be one of ours.
Tensor host_tensor(TensorHandle tensor);
Shape shape_of(const TF_Tensor* tensor);

}  // namespace serin::backends
