// SPDX-License-Identifier: Apache-2.0
#include "engine/dtypes.h"

#include <bit>
#include <cmath>
#include <cstdint>
#include <limits>
#include <type_traits>

namespace serin::engine {
namespace {

// 16-bit floats as types that convert like the others.
struct Half {
  _Float16 value;
  explicit Half(double from) : value(static_cast<_Float16>(static_cast<float>(from))) {}
  explicit operator double() const { return static_cast<double>(static_cast<float>(value)); }
};
struct BFloat16 {
  std::uint16_t bits;
  explicit BFloat16(double from) {
    const auto wide = std::bit_cast<std::uint32_t>(static_cast<float>(from));
    // To the nearest, ties to even; a NaN stays one.
    bits = std::isnan(from)
               ? 0x7FC0
               : static_cast<std::uint16_t>((wide + 0x7FFF + ((wide >> 16) & 1)) >> 16);
  }
  explicit operator double() const {
    return static_cast<double>(std::bit_cast<float>(std::uint32_t{bits} << 16));
  }
};

// Calls function(T{}) with the C++ type of a dtype; wrapped, for Half has no default.
template <class T>
struct Type {
  using type = T;
};
template <class Function>
auto with_type(DType dtype, Function function) {
  switch (dtype) {
    case DType::kBool:
      return function(Type<bool>{});
    case DType::kUInt8:
      return function(Type<std::uint8_t>{});
    case DType::kInt8:
      return function(Type<std::int8_t>{});
    case DType::kInt16:
      return function(Type<std::int16_t>{});
    case DType::kInt32:
      return function(Type<std::int32_t>{});
    case DType::kInt64:
      return function(Type<std::int64_t>{});
    case DType::kFloat16:
      return function(Type<Half>{});
    case DType::kBFloat16:
      return function(Type<BFloat16>{});
    case DType::kFloat32:
      return function(Type<float>{});
    case DType::kFloat64:
      return function(Type<double>{});
  }
  check_failed("a dtype", __FILE__, __LINE__);
}

template <class T>
const T* data_of(const Tensor& tensor) {
  return reinterpret_cast<const T*>(tensor.bytes().data());
}
template <class T>
T* data_of(Tensor& tensor) {
  return reinterpret_cast<T*>(tensor.mutable_bytes().data());
}

}  // namespace

bool is_float(DType dtype) {
  return dtype == DType::kFloat16 || dtype == DType::kBFloat16 || dtype == DType::kFloat32 ||
         dtype == DType::kFloat64;
}

bool fits(double value, DType dtype) {
  return with_type(dtype, [&]<class T>(Type<T>) {
    if constexpr (std::is_same_v<T, bool>) {
      return value == 0 || value == 1;
    } else if constexpr (std::is_integral_v<T>) {
      // The upper bound as a power of two, which a double holds exactly.
      const double bound = std::ldexp(1.0, std::numeric_limits<T>::digits);
      return std::trunc(value) == value && value < bound &&
             value >= (std::is_signed_v<T> ? -bound : 0);
    } else {
      return true;
    }
  });
}

void store(Tensor& tensor, std::size_t index, double value) {
  with_type(tensor.dtype(),
            [&]<class T>(Type<T>) { data_of<T>(tensor)[index] = static_cast<T>(value); });
}

double load(const Tensor& tensor, std::size_t index) {
  return with_type(tensor.dtype(), [&]<class T>(Type<T>) {
    return static_cast<double>(data_of<T>(tensor)[index]);
  });
}

Tensor cast(const Tensor& tensor, DType dtype) {
  if (tensor.dtype() == dtype) return tensor;
  Tensor made(dtype, tensor.shape());
  const auto count = static_cast<std::size_t>(tensor.elements());
  with_type(tensor.dtype(), [&]<class From>(Type<From>) {
    with_type(dtype, [&]<class To>(Type<To>) {
      for (std::size_t i = 0; i < count; ++i) {
        const From from = data_of<From>(tensor)[i];
        if constexpr (std::is_integral_v<From> && std::is_integral_v<To>) {
          data_of<To>(made)[i] = static_cast<To>(from);
        } else {
          data_of<To>(made)[i] = static_cast<To>(static_cast<double>(from));
        }
      }
    });
  });
  return made;
}

std::int64_t first_not_finite(const Tensor& tensor) {
  if (!is_float(tensor.dtype())) return -1;
  return with_type(tensor.dtype(), [&]<class T>(Type<T>) -> std::int64_t {
    const T* values = data_of<T>(tensor);
    for (std::int64_t i = 0; i < tensor.elements(); ++i) {
      if (!std::isfinite(static_cast<double>(values[i]))) return i;
    }
    return -1;
  });
}

}  // namespace serin::engine
