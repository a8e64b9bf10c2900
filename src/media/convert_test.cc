// SPDX-License-Identifier: Apache-2.0
#include "media/convert.h"

#include <gtest/gtest.h>

#include <limits>

#include "media/testing.h"

namespace serin::media {
namespace {

Tensor floats(Shape shape, const std::vector<float>& values) {
  return Tensor::of<float>(std::move(shape), values);
}

TEST(Convert, EveryLayoutGivesTheSamePicture) {
  const std::vector<std::uint8_t> wanted{0, 51, 102, 153, 204, 255};  // two pixels, interleaved
  const Tensor chw = floats({3, 1, 2}, {0, 0.6F, 0.2F, 0.8F, 0.4F, 1});
  const Tensor hwc = floats({1, 2, 3}, {0, 0.2F, 0.4F, 0.6F, 0.8F, 1});
  EXPECT_EQ(to_image(chw, {.layout = "CHW"})->samples, wanted);
  EXPECT_EQ(to_image(hwc, {.layout = "HWC"})->samples, wanted);
  const Image grey =
      to_image(floats({2, 3}, {0, 0.2F, 0.4F, 0.6F, 0.8F, 1}), {.layout = "HW"}).value();
  EXPECT_EQ(grey.samples, wanted);
  EXPECT_EQ(grey.channels, 1);
  EXPECT_EQ(grey.width, 3);
  EXPECT_EQ(grey.height, 2);
}

TEST(Convert, RangesMapToBlackAndWhiteAndBeyondIsClipped) {
  const Tensor tensor = floats({1, 5}, {-9, -1, 0, 1, 9});
  EXPECT_EQ(to_image(tensor, {.layout = "HW", .low = -1, .high = 1})->samples,
            (std::vector<std::uint8_t>{0, 0, 128, 255, 255}));
  EXPECT_EQ(to_image(tensor, {.layout = "HW", .low = 1, .high = -1})->samples,
            (std::vector<std::uint8_t>{255, 255, 128, 0, 0}));
}

TEST(Convert, BytesArePicturesToo) {
  const std::vector<std::uint8_t> bytes{0, 7, 255};
  const Tensor tensor = Tensor::of<std::uint8_t>({1, 3}, bytes);
  EXPECT_EQ(to_image(tensor, {.layout = "HW", .low = 0, .high = 255})->samples, bytes);
}

TEST(Convert, RefusesWhatIsNotFinite) {
  for (const float bad :
       {std::numeric_limits<float>::quiet_NaN(), std::numeric_limits<float>::infinity(),
        -std::numeric_limits<float>::infinity()}) {
    EXPECT_EQ(to_image(floats({1, 2}, {0, bad}), {.layout = "HW"}).error().code, Code::kDataLoss);
    EXPECT_EQ(to_video(floats({1, 1, 2}, {0, bad}), {.layout = "THW"}, 8).error().code,
              Code::kDataLoss);
    EXPECT_EQ(to_audio(floats({2}, {0, bad}), "T", 8000).error().code, Code::kDataLoss);
  }
}

TEST(Convert, RefusesShapesThatAreNotTheLayout) {
  const auto refused = [](const Tensor& tensor, const std::string& layout) {
    const auto image = to_image(tensor, {.layout = layout});
    return !image && image.error().code == Code::kInvalidArgument;
  };
  EXPECT_TRUE(refused(Tensor(DType::kFloat32, {2, 4, 4}), "CHW"));
  EXPECT_TRUE(refused(Tensor(DType::kFloat32, {4, 4, 3}), "HW"));
  EXPECT_TRUE(refused(Tensor(DType::kFloat32, {4, 4}), "CHW"));
  EXPECT_TRUE(refused(Tensor(DType::kFloat32, {4, 4}), "WH"));
  EXPECT_TRUE(refused(Tensor(DType::kFloat32, {0, 4}), "HW"));
  EXPECT_TRUE(refused(Tensor(DType::kFloat32, {1, 70'000}), "HW"));
  EXPECT_TRUE(refused(Tensor(DType::kFloat32, {}), "HW"));
  EXPECT_NE(
      to_image(Tensor(DType::kFloat32, {4, 4}), {.layout = "CHW"}).error().message.find("[4, 4]"),
      std::string::npos);
  EXPECT_FALSE(to_image(floats({1, 1}, {0}), {.layout = "HW", .low = 1, .high = 1}));
}

TEST(Convert, VideosComeFrameByFrame) {
  const Tensor tensor = floats({2, 1, 1, 2}, {0, 1, 1, 0});
  const Video video = to_video(tensor, {.layout = "TCHW"}, 12).value();
  ASSERT_EQ(video.frames.size(), 2u);
  EXPECT_EQ(video.frame_rate, 12);
  EXPECT_EQ(video.frames[0].samples, (std::vector<std::uint8_t>{0, 255}));
  EXPECT_EQ(video.frames[1].samples, (std::vector<std::uint8_t>{255, 0}));
  EXPECT_EQ(to_video(tensor.reshaped({2, 1, 2}), {.layout = "THW"}, 12)->frames[1].samples,
            video.frames[1].samples);
  EXPECT_EQ(to_video(tensor.reshaped({2, 1, 2, 1}), {.layout = "THWC"}, 12)->frames[1].samples,
            video.frames[1].samples);
}

TEST(Convert, RefusesVideosWithoutFramesOrRate) {
  EXPECT_EQ(to_video(Tensor(DType::kFloat32, {0, 4, 4}), {.layout = "THW"}, 8).error().code,
            Code::kInvalidArgument);
  EXPECT_EQ(to_video(Tensor(DType::kFloat32, {2, 4, 4}), {.layout = "THW"}, 0).error().code,
            Code::kInvalidArgument);
  EXPECT_EQ(to_video(Tensor(DType::kFloat32, {2, 4, 4, 4}), {.layout = "TCHW"}, 8).error().code,
            Code::kInvalidArgument);
  EXPECT_EQ(to_video(Tensor(DType::kFloat32, {}), {.layout = "THW"}, 8).error().code,
            Code::kInvalidArgument);
  EXPECT_EQ(to_video(Tensor(DType::kFloat32, {2, 4, 4}), {.layout = "HW"}, 8).error().code,
            Code::kInvalidArgument);
}

TEST(Convert, SoundIsInterleavedAndClipped) {
  const Audio audio = to_audio(floats({2, 3}, {0, 0.5F, 2, -2, -0.5F, 0}), "CT", 16'000).value();
  EXPECT_EQ(audio.channels, 2);
  EXPECT_EQ(audio.samples, (std::vector<float>{0, -1, 0.5F, -0.5F, 1, 0}));
  EXPECT_EQ(to_audio(floats({2}, {0.25F, -0.25F}), "T", 8000)->samples,
            (std::vector<float>{0.25F, -0.25F}));
  EXPECT_EQ(to_audio(floats({2}, {0, 0}), "CT", 8000).error().code, Code::kInvalidArgument);
  EXPECT_EQ(to_audio(floats({3, 1}, {0, 0, 0}), "CT", 8000).error().code, Code::kInvalidArgument);
  EXPECT_EQ(to_audio(floats({0}, {}), "T", 8000).error().code, Code::kInvalidArgument);
  EXPECT_EQ(to_audio(floats({2}, {0, 0}), "TC", 8000).error().code, Code::kInvalidArgument);
  EXPECT_EQ(to_audio(floats({2}, {0, 0}), "T", 0).error().code, Code::kInvalidArgument);
}

TEST(Convert, PicturesComeBackFromTensors) {
  for (const int channels : {1, 3, 4})
    for (const std::string layout : {"CHW", "HWC"}) {
      const Image image = gradient(5, 4, channels);
      const PixelForm form{.layout = layout, .low = -1, .high = 1};
      EXPECT_EQ(to_image(from_image(image, form), form)->samples, image.samples)
          << layout << channels;
    }
  const Tensor grey = from_image(gradient(5, 4, 3), {.layout = "HW"});
  EXPECT_EQ(grey.shape(), (Shape{4, 5}));
}

TEST(Convert, SoundComesBackFromTensors) {
  const Audio audio = tone(8000, 2, 0.01);
  const Tensor tensor = from_audio(audio);
  EXPECT_EQ(tensor.shape(), (Shape{2, 80}));
  EXPECT_EQ(to_audio(tensor, "CT", 8000)->samples, audio.samples);
}

}  // namespace
}  // namespace serin::media
