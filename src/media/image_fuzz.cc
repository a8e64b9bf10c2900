// SPDX-License-Identifier: Apache-2.0
// Whatever is decoded can be encoded again.
#include <cstddef>
#include <cstdint>
#include <cstdlib>

#include "media/media.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace serin::media;
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  const auto image = decode_image(bytes, {.pixels = 1 << 16});
  if (!image) return 0;
  if (static_cast<std::int64_t>(image->samples.size()) !=
      image->width * image->height * image->channels)
    std::abort();
  const auto again = encode(*image, ImageFormat::kPng);
  if (!again || decode_image(*again)->samples != image->samples) std::abort();
  static_cast<void>(convert_channels(resize(*image, 5, 3), 1));
  return 0;
}
