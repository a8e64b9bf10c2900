// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include "media/media.h"
#include "media/testing.h"

namespace serin::media {
namespace {

constexpr ImageFormat kFormats[] = {ImageFormat::kPng, ImageFormat::kJpeg, ImageFormat::kWebp};

// A PNG chunk's place is fixed: width at byte 16, height at byte 20, big-endian. The CRC is mended
// by the caller's will.
std::string with_big_endian(std::string bytes, std::size_t at, std::uint32_t value) {
  for (int i = 0; i < 4; ++i)
    bytes[at + static_cast<std::size_t>(i)] = static_cast<char>(value >> (24 - 8 * i));
  return bytes;
}

std::uint32_t crc32_of(std::string_view bytes) {
  std::uint32_t crc = 0xFFFFFFFF;
  for (const char byte : bytes) {
    crc ^= static_cast<unsigned char>(byte);
    for (int i = 0; i < 8; ++i) crc = crc >> 1 ^ (0xEDB88320 & (0 - (crc & 1)));
  }
  return ~crc;
}

void expect_refused(std::string_view bytes, std::string_view because) {
  const auto image = decode_image(bytes);
  ASSERT_FALSE(image) << because;
  EXPECT_EQ(image.error().code, Code::kInvalidArgument);
  EXPECT_NE(image.error().message.find(because), std::string::npos) << image.error().message;
}

TEST(Image, PngKeepsEverySample) {
  for (const int channels : {1, 3, 4})
    for (const auto [width, height] : {std::pair{1, 1}, {32, 32}, {7, 300}, {301, 5}, {256, 256}}) {
      const Image image = gradient(width, height, channels);
      const auto decoded = decode_image(encode(image, ImageFormat::kPng).value());
      ASSERT_TRUE(decoded) << decoded.error().message;
      EXPECT_EQ(decoded->width, width);
      EXPECT_EQ(decoded->height, height);
      EXPECT_EQ(decoded->channels, channels);
      EXPECT_EQ(decoded->samples, image.samples) << width << "×" << height << "×" << channels;
    }
}

TEST(Image, LossyFormatsComeClose) {
  for (const ImageFormat format : {ImageFormat::kJpeg, ImageFormat::kWebp})
    for (const int channels : {1, 3}) {
      const Image image = gradient(160, 90, channels);
      const auto decoded = decode_image(encode(image, format).value());
      ASSERT_TRUE(decoded) << decoded.error().message;
      EXPECT_EQ(decoded->width, 160);
      EXPECT_EQ(decoded->height, 90);
      EXPECT_GT(signal_to_noise(image.samples, convert_channels(*decoded, channels).samples), 30);
    }
}

TEST(Image, QualityTradesBytesForLikeness) {
  const Image image = gradient(200, 200, 3);
  for (const ImageFormat format : {ImageFormat::kJpeg, ImageFormat::kWebp})
    EXPECT_LT(encode(image, format, 10)->size(), encode(image, format, 95)->size());
  EXPECT_EQ(encode(image, ImageFormat::kJpeg, 0).error().code, Code::kInvalidArgument);
  EXPECT_EQ(encode(image, ImageFormat::kJpeg, 101).error().code, Code::kInvalidArgument);
}

TEST(Image, WebpKeepsTransparencyAndJpegPutsItOnWhite) {
  const Image image = gradient(64, 8, 4);
  EXPECT_EQ(decode_image(encode(image, ImageFormat::kWebp).value())->channels, 4);
  const Image opaque = decode_image(encode(image, ImageFormat::kJpeg, 95).value()).value();
  EXPECT_EQ(opaque.channels, 3);
  EXPECT_GT(opaque.samples[63 * 3], 240);  // clear on the right
}

TEST(Image, RefusesWhatIsNoPicture) {
  for (const std::string_view bytes : {"", "P", "GIF89a", "<svg/>", "RIFF\1\0\0\0WAVEfmt "})
    expect_refused(bytes, "not a picture that can be read");
}

TEST(Image, RefusesEveryTruncation) {
  for (const ImageFormat format : kFormats) {
    const std::string whole = encode(gradient(40, 40, 3), format).value();
    for (std::size_t size = 0; size + 13 < whole.size(); size += 7)
      EXPECT_FALSE(decode_image(std::string_view(whole).substr(0, size)))
          << media_type(format) << " cut to " << size << " of " << whole.size();
  }
}

TEST(Image, SurvivesEveryDamagedByte) {
  for (const ImageFormat format : kFormats) {
    const std::string whole = encode(gradient(24, 24, 3), format).value();
    for (std::size_t i = 0; i < whole.size(); ++i)
      for (const int flip : {0xFF, 0x01, 0x80}) {
        std::string damaged = whole;
        damaged[i] = static_cast<char>(damaged[i] ^ flip);
        const auto decoded = decode_image(damaged, {.pixels = 1 << 20});
        if (!decoded) {
          EXPECT_EQ(decoded.error().code, Code::kInvalidArgument);
        }
      }
  }
}

TEST(Image, RefusesHugeSizesFromTheHeader) {
  std::string png =
      with_big_endian(encode(gradient(8, 8, 1), ImageFormat::kPng).value(), 16, 900'000);
  png = with_big_endian(png, 20, 900'000);
  png = with_big_endian(png, 29, crc32_of(std::string_view(png).substr(12, 17)));
  expect_refused(png, "900000 × 900000");
  const DecodeLimits small{.pixels = 99};
  for (const ImageFormat format : kFormats) {
    const std::string bytes = encode(gradient(10, 10, 3), format).value();
    ASSERT_FALSE(decode_image(bytes, small));
    EXPECT_NE(decode_image(bytes, small).error().message.find("at most 99"), std::string::npos);
    EXPECT_TRUE(decode_image(bytes, {.pixels = 100}));
  }
}

TEST(Image, RefusesToEncodeWhatIsNoPicture) {
  for (const ImageFormat format : kFormats) {
    EXPECT_EQ(encode(Image{}, format).error().code, Code::kInvalidArgument);
    Image two = gradient(4, 4, 1);
    two.channels = 2;
    EXPECT_EQ(encode(two, format).error().code, Code::kInvalidArgument);
    Image cut = gradient(4, 4, 3);
    cut.samples.pop_back();
    EXPECT_EQ(encode(cut, format).error().code, Code::kInternal);
    Image wide = gradient(1, 1, 1);
    wide.width = 70'000;
    EXPECT_EQ(encode(wide, format).error().code, Code::kInvalidArgument);
  }
  EXPECT_EQ(encode(gradient(20'000, 1, 3), ImageFormat::kWebp).error().code,
            Code::kInvalidArgument);
  EXPECT_EQ(encode(gradient(65'501, 1, 3), ImageFormat::kJpeg).error().code,
            Code::kInvalidArgument);
}

TEST(Image, ResizingKeepsConstantsAndMeans) {
  Image flat{
      .width = 9, .height = 5, .channels = 3, .samples = std::vector<std::uint8_t>(9 * 5 * 3, 77)};
  for (const auto [width, height] : {std::pair{1, 1}, {4, 3}, {9, 5}, {100, 2}, {33, 77}}) {
    const Image resized = resize(flat, width, height);
    EXPECT_EQ(resized.samples,
              std::vector<std::uint8_t>(static_cast<std::size_t>(width * height * 3), 77));
  }
  const Image ramp{.width = 4, .height = 1, .channels = 1, .samples = {0, 10, 20, 30}};
  EXPECT_EQ(resize(ramp, 2, 1).samples, (std::vector<std::uint8_t>{5, 25}));
  EXPECT_EQ(resize(ramp, 1, 1).samples, (std::vector<std::uint8_t>{15}));
  EXPECT_EQ(resize(ramp, 8, 1).samples, (std::vector<std::uint8_t>{0, 3, 8, 13, 18, 23, 28, 30}));
  EXPECT_EQ(resize(ramp, 4, 2).samples, (std::vector<std::uint8_t>{0, 10, 20, 30, 0, 10, 20, 30}));
}

TEST(Image, ChannelsConvertAsEyesDo) {
  const Image grey{.width = 2, .height = 1, .channels = 1, .samples = {0, 200}};
  EXPECT_EQ(convert_channels(grey, 3).samples, (std::vector<std::uint8_t>{0, 0, 0, 200, 200, 200}));
  EXPECT_EQ(convert_channels(grey, 4).samples,
            (std::vector<std::uint8_t>{0, 0, 0, 255, 200, 200, 200, 255}));
  EXPECT_EQ(convert_channels(convert_channels(grey, 3), 1).samples, grey.samples);
  const Image green{.width = 1, .height = 1, .channels = 3, .samples = {0, 255, 0}};
  EXPECT_EQ(convert_channels(green, 1).samples, (std::vector<std::uint8_t>{150}));
  const Image half{.width = 1, .height = 1, .channels = 4, .samples = {0, 0, 0, 128}};
  EXPECT_EQ(convert_channels(half, 3).samples, (std::vector<std::uint8_t>{127, 127, 127}));
}

}  // namespace
}  // namespace serin::media
