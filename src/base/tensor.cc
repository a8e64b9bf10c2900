// SPDX-License-Identifier: Apache-2.0
#include "base/tensor.h"

#include <bit>
#include <cstdlib>
#include <cstring>
#include <limits>
#include <new>

namespace serin {
namespace {

struct DTypeInfo {
  DType dtype;
  std::size_t size;
  std::string_view name;
};

constexpr DTypeInfo kDTypes[] = {
    {DType::kBool, 1, "bool"},       {DType::kUInt8, 1, "uint8"},
    {DType::kInt8, 1, "int8"},       {DType::kInt16, 2, "int16"},
    {DType::kInt32, 4, "int32"},     {DType::kInt64, 8, "int64"},
    {DType::kFloat16, 2, "float16"}, {DType::kBFloat16, 2, "bfloat16"},
    {DType::kFloat32, 4, "float32"}, {DType::kFloat64, 8, "float64"},
};

// Frameworks take memory without a copy only when it is aligned for their widest vectors.
constexpr std::size_t kAlignment = 64;

std::shared_ptr<void> allocate_zeros(std::size_t bytes) {
  const std::size_t rounded =
      std::max<std::size_t>((bytes + kAlignment - 1) / kAlignment, 1) * kAlignment;
  void* memory = std::aligned_alloc(kAlignment, rounded);
  if (memory == nullptr) throw std::bad_alloc();
  std::memset(memory, 0, rounded);
  return {memory, std::free};
}

template <class From>
void convert(const Tensor& from, std::span<float> to) {
  const std::span<const From> values = from.values<From>();
  std::transform(values.begin(), values.end(), to.begin(),
                 [](From value) { return static_cast<float>(value); });
}

template <float (*kConvert)(std::uint16_t)>
void convert_bits(const Tensor& from, std::span<float> to) {
  for (std::size_t i = 0; i < to.size(); ++i) {
    std::uint16_t bits;
    std::memcpy(&bits, from.bytes().data() + i * 2, 2);
    to[i] = kConvert(bits);
  }
}

}  // namespace

float float_of_half(std::uint16_t bits) {
  const std::uint32_t sign = std::uint32_t{bits & 0x8000u} << 16;
  const std::uint32_t exponent = (bits >> 10) & 0x1fu;
  const std::uint32_t fraction = bits & 0x3ffu;
  if (exponent == 0) {
    const float magnitude = static_cast<float>(fraction) * 0x1p-24F;
    return sign != 0 ? -magnitude : magnitude;
  }
  const std::uint32_t wide = exponent == 0x1f ? 0xffu : exponent + 112;
  return std::bit_cast<float>(sign | (wide << 23) | (fraction << 13));
}

float float_of_bfloat16(std::uint16_t bits) {
  return std::bit_cast<float>(std::uint32_t{bits} << 16);
}

std::size_t size_of(DType dtype) { return kDTypes[static_cast<std::size_t>(dtype)].size; }
std::string_view name_of(DType dtype) { return kDTypes[static_cast<std::size_t>(dtype)].name; }

std::optional<DType> dtype_named(std::string_view name) {
  for (const DTypeInfo& info : kDTypes) {
    if (info.name == name) return info.dtype;
  }
  return std::nullopt;
}

Result<std::int64_t> element_count(const Shape& shape) {
  constexpr std::int64_t kMost = std::numeric_limits<std::int64_t>::max() / 8;
  // A zero anywhere makes the product zero, but the rest must still be sane.
  std::int64_t count = 1;
  bool zero = false;
  for (const std::int64_t dimension : shape) {
    if (dimension < 0) return invalid("a shape with a negative dimension: " + to_string(shape));
    if (dimension == 0) {
      zero = true;
    } else if (count > kMost / dimension) {
      return invalid("a shape too large to address: " + to_string(shape));
    } else {
      count *= dimension;
    }
  }
  return zero ? 0 : count;
}

std::string to_string(const Shape& shape) {
  std::string text = "[";
  for (std::size_t i = 0; i < shape.size(); ++i) {
    if (i > 0) text += ", ";
    text += std::to_string(shape[i]);
  }
  return text + "]";
}

Tensor::Tensor(DType dtype, Shape shape) : dtype_(dtype), shape_(std::move(shape)) {
  const Result<std::int64_t> count = element_count(shape_);
  SERIN_CHECK(count.has_value());
  elements_ = *count;
  owner_ = allocate_zeros(byte_size());
  data_ = static_cast<std::byte*>(owner_.get());
}

Tensor::Tensor(DType dtype, Shape shape, std::shared_ptr<void> owner, void* data)
    : dtype_(dtype),
      shape_(std::move(shape)),
      owner_(std::move(owner)),
      data_(static_cast<std::byte*>(data)) {
  const Result<std::int64_t> count = element_count(shape_);
  SERIN_CHECK(count.has_value());
  SERIN_CHECK(data != nullptr);
  elements_ = *count;
}

Tensor Tensor::reshaped(Shape shape) const {
  const Result<std::int64_t> count = element_count(shape);
  SERIN_CHECK(count.has_value() && *count == elements_);
  Tensor view = *this;
  view.shape_ = std::move(shape);
  return view;
}

Tensor Tensor::row(std::int64_t index) const {
  SERIN_CHECK(!shape_.empty() && index >= 0 && index < shape_[0]);
  Tensor view = *this;
  view.shape_.erase(view.shape_.begin());
  view.elements_ = elements_ / shape_[0];
  view.data_ += view.byte_size() * static_cast<std::size_t>(index);
  return view;
}

Tensor Tensor::to_float32() const {
  Tensor made(DType::kFloat32, shape_);
  const std::span<float> to = made.mutable_values<float>();
  switch (dtype_) {
    case DType::kBool:
      convert<bool>(*this, to);
      break;
    case DType::kUInt8:
      convert<std::uint8_t>(*this, to);
      break;
    case DType::kInt8:
      convert<std::int8_t>(*this, to);
      break;
    case DType::kInt16:
      convert<std::int16_t>(*this, to);
      break;
    case DType::kInt32:
      convert<std::int32_t>(*this, to);
      break;
    case DType::kInt64:
      convert<std::int64_t>(*this, to);
      break;
    case DType::kFloat16:
      convert_bits<float_of_half>(*this, to);
      break;
    case DType::kBFloat16:
      convert_bits<float_of_bfloat16>(*this, to);
      break;
    case DType::kFloat32:
      convert<float>(*this, to);
      break;
    case DType::kFloat64:
      convert<double>(*this, to);
      break;
  }
  return made;
}

}  // namespace serin
