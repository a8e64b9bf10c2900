// SPDX-License-Identifier: Apache-2.0
#include <cstdint>

#include "backends/remote/v2_codec.h"

// The first byte is the length of the JSON before binary tensors; 255: there are none.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace serin;
  if (size == 0) return 0;
  const std::string_view body(reinterpret_cast<const char*>(data) + 1, size - 1);
  model::Call call;
  call.arguments = {{"x", "", DType::kFloat32, {model::kBatchDimension, 2}}};
  call.results = {{"y", DType::kFloat32, {model::kBatchDimension, 2}},
                  {"ids", DType::kInt64, {model::kBatchDimension}}};
  const auto header = data[0] == 255 ? std::nullopt : std::optional<std::size_t>(data[0]);
  if (const auto results = backends::v2::read_answer(call, body, header)) {
    for (const Tensor& tensor : *results)
      if (tensor.elements() > 0) tensor.row(0);
  }
  if (const auto signature = backends::v2::read_metadata(body))
    backends::v2::check_call(call, *signature);
  backends::v2::has_binary_extension(body);
  backends::v2::error_message(body);
  return 0;
}
