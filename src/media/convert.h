// SPDX-License-Identifier: Apache-2.0
// One item of a model's output, as model.yaml describes it, becomes a picture, sound or video; and
// inputs the reverse.
#pragma once

#include "base/error.h"
#include "base/tensor.h"
#include "media/media.h"

namespace serin::media {

// How a tensor's dimensions are ordered; the letters are those of model.yaml.
struct PixelForm {
  std::string layout;        // "CHW", "HWC", "HW"; for video with T in front
  double low = 0, high = 1;  // what becomes black and white
};

// kInvalidArgument when the shape does not fit the layout; kDataLoss when a value is not finite.
Result<Image> to_image(const Tensor& tensor, const PixelForm& form);
Result<Video> to_video(const Tensor& tensor, const PixelForm& form, double frame_rate);
Result<Audio> to_audio(const Tensor& tensor, std::string_view layout, std::int64_t sample_rate);

Tensor from_image(const Image& image, const PixelForm& form);  // float32
Tensor from_audio(const Audio& audio);                         // float32 [channels, samples]

}  // namespace serin::media
