// SPDX-License-Identifier: Apache-2.0
// tests/media/media_test.py reads these files with decoders that are not ours; here is what needs
// no decoder.
#include <gtest/gtest.h>

#include <set>

#include "media/palette.h"
#include "media/testing.h"

namespace serin::media {
namespace {

constexpr VideoFormat kFormats[] = {VideoFormat::kMp4, VideoFormat::kWebm, VideoFormat::kGif};

TEST(Video, EveryFormatTakesGreyAndColourOfAnySize) {
  for (const VideoFormat format : kFormats)
    for (const int channels : {1, 3})
      for (const auto [width, height] : {std::pair{32, 32}, {17, 33}, {1, 1}, {2, 40}}) {
        const auto bytes = encode(moving(width, height, channels, 5, 8), format);
        ASSERT_TRUE(bytes) << media_type(format) << " " << width << "×" << height << ": "
                           << bytes.error().message;
        EXPECT_GT(bytes->size(), 30u);
      }
}

TEST(Video, Mp4HasItsIndexFirst) {
  const std::string bytes = encode(moving(64, 64, 3, 20, 10), VideoFormat::kMp4).value();
  ASSERT_NE(bytes.find("ftyp"), std::string::npos);
  ASSERT_NE(bytes.find("moov"), std::string::npos);
  EXPECT_LT(bytes.find("moov"), bytes.find("mdat"));
}

TEST(Video, EncodingIsAFunctionOfTheFrames) {
  for (const VideoFormat format : kFormats)
    EXPECT_EQ(encode(moving(48, 32, 3, 6, 12), format).value(),
              encode(moving(48, 32, 3, 6, 12), format).value())
        << media_type(format);
}

TEST(Video, RefusesWhatIsNoVideo) {
  for (const VideoFormat format : kFormats) {
    EXPECT_EQ(encode(Video{.frame_rate = 8, .frames = {}}, format).error().code,
              Code::kInvalidArgument);
    for (const double rate : {0.0, -1.0, 5000.0, std::nan("")})
      EXPECT_EQ(encode(moving(8, 8, 3, 2, rate), format).error().code, Code::kInvalidArgument);
    EXPECT_EQ(encode(moving(8, 8, 4, 2, 8), format).error().code, Code::kInvalidArgument);
    EXPECT_EQ(encode(moving(65'536, 1, 3, 1, 8), format).error().code, Code::kInvalidArgument);
    Video mixed = moving(8, 8, 3, 2, 8);
    mixed.frames.push_back(gradient(9, 8, 3));
    EXPECT_EQ(encode(mixed, format).error().code, Code::kInvalidArgument);
    mixed.frames.back() = gradient(8, 8, 1);
    EXPECT_EQ(encode(mixed, format).error().code, Code::kInvalidArgument);
  }
}

TEST(Video, RefusesSidesThatNoEncoderTakes) {
  for (const VideoFormat format : {VideoFormat::kMp4, VideoFormat::kWebm})
    for (const auto [width, height] : {std::pair{16'385, 1}, {1, 16'385}})
      EXPECT_EQ(encode(moving(width, height, 1, 1, 8), format).error().code,
                Code::kInvalidArgument);
}

TEST(Palette, IsExactUpTo256Colours) {
  std::vector<Image> frames{gradient(200, 3, 1)};
  const Palette palette = palette_of(frames);
  EXPECT_FALSE(palette.exact.empty());
  const auto indices = palette.indices(frames[0]);
  for (std::size_t i = 0; i < indices.size(); ++i)
    ASSERT_EQ(palette.colors[indices[i]].r, frames[0].samples[i]);
}

TEST(Palette, CutsManyColoursTo256CloseOnes) {
  std::vector<Image> frames;
  for (int i = 0; i < 4; ++i) frames.push_back(gradient(128, 128, 3, i * 20));
  const Palette palette = palette_of(frames);
  EXPECT_TRUE(palette.exact.empty());
  EXPECT_LE(palette.colors.size(), 256u);
  EXPECT_GT(palette.colors.size(), 200u);
  for (const Image& frame : frames) {
    std::vector<std::uint8_t> shown;
    for (const std::uint8_t index : palette.indices(frame)) {
      const Color color = palette.colors[index];
      shown.insert(shown.end(), {color.r, color.g, color.b});
    }
    EXPECT_GT(signal_to_noise(frame.samples, shown), 22);
  }
}

TEST(Palette, GivesFewColoursWhereAFewCellsHoldManyShades) {
  // 300 colours that all fall into two cells.
  Image image{.width = 300, .height = 1, .channels = 3, .samples = {}};
  for (int i = 0; i < 300; ++i)
    for (const int value : {i % 8, i / 8 % 8, i / 64 + (i % 2) * 128})
      image.samples.push_back(static_cast<std::uint8_t>(value));
  const std::vector<Image> frames{image};
  const Palette palette = palette_of(frames);
  EXPECT_EQ(palette.colors.size(), 2u);
  const auto indices = palette.indices(image);
  EXPECT_EQ(std::set<std::uint8_t>(indices.begin(), indices.end()).size(), 2u);
}

TEST(Video, GivesTheSameBytesWhateverTheHeapHeld) {
  Video video;
  video.frame_rate = 12;
  for (int f = 0; f < 16; ++f) {
    Image& frame = video.frames.emplace_back();
    frame.width = frame.height = 32;
    frame.channels = 3;
    for (int i = 0; i < 32 * 32 * 3; ++i) {
      const bool inside = std::abs(i / 3 % 32 - 5 - f) < 6 && std::abs(i / 96 - 12) < 6;
      frame.samples.push_back(static_cast<std::uint8_t>(inside ? 230 - i % 13 : 20 + (i + f) % 9));
    }
  }
  const std::string first = encode(video, VideoFormat::kMp4).value();
  for (int i = 0; i < 100; ++i) {
    std::vector<std::string> dirt;
    for (int size = 1000; size < 400'000; size += 1000)
      dirt.emplace_back(static_cast<std::size_t>(size), static_cast<char>(i * 37 + size));
    dirt.clear();
    ASSERT_EQ(encode(video, VideoFormat::kMp4).value() == first, true) << i;
  }
}

}  // namespace
}  // namespace serin::media
