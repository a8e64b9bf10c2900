// SPDX-License-Identifier: Apache-2.0
#include <webp/decode.h>
#include <webp/encode.h>

#include "media/codecs.h"

namespace serin::media {
namespace {

constexpr std::int64_t kMaxWebpSide = WEBP_MAX_DIMENSION;

// What libwebp allocated, given back at the end of the scope.
struct Written {
  std::uint8_t* data = nullptr;
  ~Written() { WebPFree(data); }
};

const std::uint8_t* octets(std::string_view bytes) {
  return reinterpret_cast<const std::uint8_t*>(bytes.data());
}

}  // namespace

Result<std::string> encode_webp(const Image& image, int quality) {
  if (image.width > kMaxWebpSide || image.height > kMaxWebpSide)
    return invalid("a WebP picture has at most " + std::to_string(kMaxWebpSide) + " pixels a side");
  if (image.channels == 1) return encode_webp(convert_channels(image, 3), quality);
  const int width = static_cast<int>(image.width), height = static_cast<int>(image.height);
  Written written;
  const auto call = image.channels == 3 ? WebPEncodeRGB : WebPEncodeRGBA;
  const std::size_t size = call(image.samples.data(), width, height, width * image.channels,
                                static_cast<float>(quality), &written.data);
  if (size == 0)
    return fail(Code::kResourceExhausted,
                "the WebP encoder failed, most likely for want of memory");
  return std::string(reinterpret_cast<const char*>(written.data), size);
}

Result<Image> decode_webp(std::string_view bytes, const DecodeLimits& limits) {
  WebPBitstreamFeatures features;
  if (WebPGetFeatures(octets(bytes), bytes.size(), &features) != VP8_STATUS_OK)
    return invalid("the WebP cannot be read: its header is damaged");
  if (features.has_animation != 0)
    return invalid("the WebP is an animation; a still picture is expected");
  SERIN_TRY(check_pixels("the WebP", features.width, features.height, limits));
  Image image{.width = features.width,
              .height = features.height,
              .channels = features.has_alpha != 0 ? 4 : 3,
              .samples = {}};
  image.samples.resize(static_cast<std::size_t>(image.width * image.height * image.channels));
  const auto call = image.channels == 3 ? WebPDecodeRGBInto : WebPDecodeRGBAInto;
  if (call(octets(bytes), bytes.size(), image.samples.data(), image.samples.size(),
           features.width * image.channels) == nullptr)
    return invalid("the WebP cannot be read: it is damaged or ends early");
  return image;
}

}  // namespace serin::media
