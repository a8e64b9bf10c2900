// SPDX-License-Identifier: Apache-2.0
#include "worker/jobs/clip.h"

#include <gtest/gtest.h>

#include <limits>

namespace serin::worker {
namespace {

model::Manifest manifest_of(Shape shape, model::Layout layout) {
  model::Manifest manifest;
  manifest.call.results = {{"clip", DType::kFloat32, std::move(shape)}};
  model::VideoOutput video;
  video.layout = layout;
  video.frame_rate = 10;
  manifest.outputs = {{"text", "", model::TextOutput{}}, {"clip", "clip", video}};
  return manifest;
}

TEST(Clip, TheVideoAmongTheOutputsIsFound) {
  const auto manifest = manifest_of({model::kBatchDimension, 2, 3, 4, 5}, model::Layout::kTCHW);
  EXPECT_EQ(video_output(manifest), &manifest.outputs[1]);
  EXPECT_EQ(video_output({}), nullptr);
}

TEST(Clip, ItsShapeIsReadByTheLayout) {
  const auto first = manifest_of({model::kBatchDimension, 2, 3, 4, 5}, model::Layout::kTCHW);
  const auto clip = clip_shape(first, first.outputs[1]);
  ASSERT_TRUE(clip);
  EXPECT_EQ(clip->frames, 2);
  EXPECT_EQ(clip->channels, 3);
  EXPECT_EQ(clip->height, 4);
  EXPECT_EQ(clip->width, 5);
  const auto grey = manifest_of({model::kBatchDimension, 2, 4, 5}, model::Layout::kTHW);
  EXPECT_EQ(clip_shape(grey, grey.outputs[1])->channels, 1);
}

TEST(Clip, AnOpenShapeIsRefused) {
  const auto open =
      manifest_of({model::kBatchDimension, model::kLoopDimension, 4, 5}, model::Layout::kTHW);
  EXPECT_EQ(clip_shape(open, open.outputs[1]).error().code, Code::kFailedPrecondition);
}

TEST(Clip, ADiffusionsStateIsAsLargeAsItsArgument) {
  auto manifest = manifest_of({}, model::Layout::kTHW);
  model::DiffusionLoop loop;
  loop.state = "x";
  manifest.loop = loop;
  manifest.call.arguments = {{"x", "noise", DType::kFloat32, {model::kBatchDimension, 7, 4, 5}}};
  manifest.outputs[1].result = "state";
  EXPECT_EQ(clip_shape(manifest, manifest.outputs[1])->frames, 7);
}

TEST(Clip, PackedFramesComeBackWithTheirColours) {
  const auto manifest = manifest_of({model::kBatchDimension, 2, 3, 4, 5}, model::Layout::kTCHW);
  const model::Output& output = manifest.outputs[1];
  Tensor tensor(DType::kFloat32, {2, 3, 4, 5});
  tensor.mutable_values<float>()[60 + 20] = 1;  // the first pixel of the second frame is green
  const auto packed = pack_clip(std::get<model::VideoOutput>(output.kind), tensor);
  ASSERT_TRUE(packed) << packed.error().message;
  EXPECT_EQ(packed->size(), packed_bytes(*clip_shape(manifest, output)));
  const auto video = unpack_clip(*packed, 10);
  ASSERT_TRUE(video) << video.error().message;
  ASSERT_EQ(video->frames.size(), 2u);
  EXPECT_EQ(video->frames[0].samples, std::vector<std::uint8_t>(60, 0));
  EXPECT_EQ(video->frames[1].width, 5);
  EXPECT_EQ(video->frames[1].samples[0], 0);
  EXPECT_EQ(video->frames[1].samples[1], 255);
}

TEST(Clip, WhatIsNotFiniteIsNotKept) {
  const auto manifest = manifest_of({model::kBatchDimension, 1, 1, 1}, model::Layout::kTHW);
  Tensor tensor(DType::kFloat32, {1, 1, 1});
  tensor.mutable_values<float>()[0] = std::numeric_limits<float>::quiet_NaN();
  const auto packed = pack_clip(std::get<model::VideoOutput>(manifest.outputs[1].kind), tensor);
  EXPECT_EQ(packed.error().code, Code::kDataLoss);
}

TEST(Clip, OtherBytesAreNoClip) {
  EXPECT_FALSE(unpack_clip("x", 10));
  for (const Shape& shape : {Shape{2, 3}, Shape{1, 2, 2, 2}, Shape{0, 2, 2, 3}}) {
    EXPECT_EQ(unpack_clip(*to_npy(Tensor(DType::kUInt8, shape)), 10).error().code, Code::kDataLoss);
  }
  EXPECT_FALSE(unpack_clip(*to_npy(Tensor(DType::kFloat32, {1, 2, 2, 3})), 10));
}

}  // namespace
}  // namespace serin::worker
