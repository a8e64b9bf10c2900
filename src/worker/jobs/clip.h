// SPDX-License-Identifier: Apache-2.0
// A video that a package made, as it is kept until somebody fetches it. Pure; safe from any thread.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/error.h"
#include "base/tensor.h"
#include "media/media.h"
#include "model/manifest.h"

namespace serin::worker {

// The first output that is a video; null where there is none.
const model::Output* video_output(const model::Manifest& manifest);

struct ClipShape {
  std::int64_t frames = 0, width = 0, height = 0;
  int channels = 3;
};
// What every clip of this output is, by the shape that its result declares. kFailedPrecondition
// when a dimension is open.
Result<ClipShape> clip_shape(const model::Manifest& manifest, const model::Output& output);
// How many bytes pack_clip() gives.
std::uint64_t packed_bytes(const ClipShape& shape);

// As an .npy file of bytes, frames × height × width × channels: independent of the package that
// made it, and still good for every format.
Result<std::string> pack_clip(const model::VideoOutput& output, const Tensor& tensor);
// kDataLoss when these are not the bytes of a clip.
Result<media::Video> unpack_clip(std::string_view bytes, double frame_rate);

}  // namespace serin::worker
