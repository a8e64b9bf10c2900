// SPDX-License-Identifier: Apache-2.0
// A dense tensor in host memory: what inputs become, what backends take and give, and what media
// are made of.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/check.h"
#include "base/error.h"

namespace serin {

enum class DType : std::uint8_t {
  kBool,
  kUInt8,
  kInt8,
  kInt16,
  kInt32,
  kInt64,
  kFloat16,
  kBFloat16,
  kFloat32,
  kFloat64,
};

std::size_t size_of(DType dtype);       // bytes an element
std::string_view name_of(DType dtype);  // "float32", as in model.yaml
std::optional<DType> dtype_named(std::string_view name);

// IEEE half precision and bfloat16, exactly.
float float_of_half(std::uint16_t bits);
float float_of_bfloat16(std::uint16_t bits);

using Shape = std::vector<std::int64_t>;

// Product of the dimensions. kInvalidArgument when one is negative or the product, times 8 bytes,
// does not fit 63 bits.
Result<std::int64_t> element_count(const Shape& shape);
std::string to_string(const Shape& shape);  // "[8, 1, 32, 32]"

template <class T>
struct DTypeOf;
template <>
struct DTypeOf<bool> {
  static constexpr DType value = DType::kBool;
};
template <>
struct DTypeOf<std::uint8_t> {
  static constexpr DType value = DType::kUInt8;
};
template <>
struct DTypeOf<std::int8_t> {
  static constexpr DType value = DType::kInt8;
};
template <>
struct DTypeOf<std::int16_t> {
  static constexpr DType value = DType::kInt16;
};
template <>
struct DTypeOf<std::int32_t> {
  static constexpr DType value = DType::kInt32;
};
template <>
struct DTypeOf<std::int64_t> {
  static constexpr DType value = DType::kInt64;
};
template <>
struct DTypeOf<float> {
  static constexpr DType value = DType::kFloat32;
};
template <>
struct DTypeOf<double> {
  static constexpr DType value = DType::kFloat64;
};

// Row-major and contiguous. Copies share the bytes, which live as long as the last of them: whoever
// writes through mutable_values() owns the only copy. Not synchronised.
class Tensor {
 public:
  Tensor() = default;
  // Zeros. The shape must have an element_count().
  Tensor(DType dtype, Shape shape);
  // Memory that somebody else allocated (a framework's result) and that `owner` keeps alive.
  Tensor(DType dtype, Shape shape, std::shared_ptr<void> owner, void* data);

  template <class T>
  static Tensor of(Shape shape, std::span<const T> values);

  DType dtype() const { return dtype_; }
  const Shape& shape() const { return shape_; }
  std::int64_t elements() const { return elements_; }
  std::size_t byte_size() const { return static_cast<std::size_t>(elements_) * size_of(dtype_); }
  bool empty() const { return data_ == nullptr; }

  std::span<const std::byte> bytes() const { return {data_, byte_size()}; }
  std::span<std::byte> mutable_bytes() { return {data_, byte_size()}; }

  template <class T>
  std::span<const T> values() const {
    SERIN_CHECK(DTypeOf<T>::value == dtype_);
    return {reinterpret_cast<const T*>(data_), static_cast<std::size_t>(elements_)};
  }
  template <class T>
  std::span<T> mutable_values() {
    SERIN_CHECK(DTypeOf<T>::value == dtype_);
    return {reinterpret_cast<T*>(data_), static_cast<std::size_t>(elements_)};
  }

  // The same bytes seen as another shape of as many elements.
  Tensor reshaped(Shape shape) const;
  // Row `index` of the first dimension, sharing the bytes: shape without that dimension.
  Tensor row(std::int64_t index) const;
  // A copy as float32 (from any dtype), for media and comparisons.
  Tensor to_float32() const;

 private:
  DType dtype_ = DType::kFloat32;
  Shape shape_;
  std::int64_t elements_ = 0;
  std::shared_ptr<void> owner_;
  std::byte* data_ = nullptr;
};

template <class T>
Tensor Tensor::of(Shape shape, std::span<const T> values) {
  Tensor made(DTypeOf<T>::value, std::move(shape));
  SERIN_CHECK(made.elements() == static_cast<std::int64_t>(values.size()));
  std::copy(values.begin(), values.end(), made.mutable_values<T>().begin());
  return made;
}

// NumPy's .npy format, version 1.0
// (https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html), C order. bfloat16,
// which NumPy lacks, is refused.
Result<Tensor> parse_npy(std::string_view bytes);
Result<std::string> to_npy(const Tensor& tensor);

}  // namespace serin
