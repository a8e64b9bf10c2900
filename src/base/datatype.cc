// SPDX-License-Identifier: Apache-2.0
#include "base/datatype.h"

#include <algorithm>
#include <array>
#include <utility>

namespace serin {
namespace {

constexpr std::array<std::pair<DType, std::string_view>, 10> kDatatypes{
    {{DType::kBool, "BOOL"},
     {DType::kUInt8, "UINT8"},
     {DType::kInt8, "INT8"},
     {DType::kInt16, "INT16"},
     {DType::kInt32, "INT32"},
     {DType::kInt64, "INT64"},
     {DType::kFloat16, "FP16"},
     {DType::kBFloat16, "BF16"},
     {DType::kFloat32, "FP32"},
     {DType::kFloat64, "FP64"}}};

}  // namespace

std::string_view datatype_of(DType dtype) {
  return std::ranges::find(kDatatypes, dtype, &std::pair<DType, std::string_view>::first)->second;
}

std::optional<DType> dtype_of(std::string_view datatype) {
  const auto found =
      std::ranges::find(kDatatypes, datatype, &std::pair<DType, std::string_view>::second);
  return found == kDatatypes.end() ? std::nullopt : std::optional(found->first);
}

}  // namespace serin
