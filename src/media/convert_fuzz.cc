// SPDX-License-Identifier: Apache-2.0
// The first bytes choose layout, type, shape and range; the rest are the tensor's.
#include "media/convert.h"

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <cstring>

namespace {

constexpr std::array<std::string_view, 9> kLayouts{"CHW",  "HWC",  "HW",  "T", "CT",
                                                   "TCHW", "THWC", "THW", "?"};
constexpr std::array kTypes{serin::DType::kFloat32, serin::DType::kUInt8,   serin::DType::kInt16,
                            serin::DType::kFloat16, serin::DType::kFloat64, serin::DType::kBool};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace serin;
  if (size < 12) return 0;
  const std::string layout(kLayouts[data[0] % kLayouts.size()]);
  Shape shape;
  for (int i = 0; i < data[2] % 5; ++i) shape.push_back(data[3 + i] % 12);
  Tensor tensor(kTypes[data[1] % kTypes.size()], shape);
  const std::size_t count = std::min(size - 12, tensor.byte_size());
  if (count > 0) std::memcpy(tensor.mutable_bytes().data(), data + 12, count);
  if (tensor.dtype() == DType::kBool)
    for (std::byte& byte : tensor.mutable_bytes()) byte &= std::byte{1};
  const media::PixelForm form{.layout = layout,
                              .low = static_cast<double>(data[8]) - 8,
                              .high = static_cast<double>(data[9]) - 8};
  if (const auto image = media::to_image(tensor, form))
    if (!encode(*image, media::ImageFormat::kPng)) std::abort();
  if (const auto video = media::to_video(tensor, form, data[10] / 4.0))
    if (!encode(*video, media::VideoFormat::kGif)) std::abort();
  if (const auto audio = media::to_audio(tensor, layout, data[11] * 100))
    if (!encode(*audio, media::AudioFormat::kWav)) std::abort();
  return 0;
}
