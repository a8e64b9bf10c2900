// SPDX-License-Identifier: Apache-2.0
#include "worker/jobs/clip.h"

#include <algorithm>
#include <variant>

#include "media/convert.h"

namespace serin::worker {
namespace {

constexpr std::uint64_t kNpyHead = 128;  // of a rank 4 array of bytes; NumPy aligns to 64

// The shape of one item, without the batch dimension.
Shape item_shape(const model::Manifest& manifest, const model::Output& output) {
  const auto* loop = std::get_if<model::DiffusionLoop>(&manifest.loop);
  Shape shape;
  if (loop != nullptr && output.result == "state") {
    shape = manifest.find_argument(loop->state)->shape;
  } else if (const auto* result = manifest.find_result(output.result)) {
    shape = result->shape;
  }
  if (!shape.empty()) shape.erase(shape.begin());
  return shape;
}

}  // namespace

const model::Output* video_output(const model::Manifest& manifest) {
  const auto found = std::ranges::find_if(manifest.outputs, [](const model::Output& output) {
    return std::holds_alternative<model::VideoOutput>(output.kind);
  });
  return found == manifest.outputs.end() ? nullptr : &*found;
}

Result<ClipShape> clip_shape(const model::Manifest& manifest, const model::Output& output) {
  const Shape shape = item_shape(manifest, output);
  const std::string_view layout = name_of(std::get<model::VideoOutput>(output.kind).layout);
  const bool fits = shape.size() == layout.size() &&
                    std::ranges::all_of(shape, [](std::int64_t size) { return size > 0; });
  if (!fits) {
    return fail(Code::kFailedPrecondition,
                "output " + output.name + " declares no fixed size of a clip");
  }
  ClipShape clip;
  clip.channels = 1;
  for (std::size_t i = 0; i < layout.size(); ++i) {
    if (layout[i] == 'T') clip.frames = shape[i];
    if (layout[i] == 'H') clip.height = shape[i];
    if (layout[i] == 'W') clip.width = shape[i];
    if (layout[i] == 'C') clip.channels = static_cast<int>(shape[i]);
  }
  return clip;
}

std::uint64_t packed_bytes(const ClipShape& shape) {
  return kNpyHead +
         static_cast<std::uint64_t>(shape.frames) * static_cast<std::uint64_t>(shape.width) *
             static_cast<std::uint64_t>(shape.height) * static_cast<std::uint64_t>(shape.channels);
}

Result<std::string> pack_clip(const model::VideoOutput& output, const Tensor& tensor) {
  const media::PixelForm form{std::string(name_of(output.layout)), output.range.low,
                              output.range.high};
  SERIN_TRY_ASSIGN(const auto video, media::to_video(tensor, form, output.frame_rate));
  const media::Image& first = video.frames.front();
  Tensor packed(DType::kUInt8, {static_cast<std::int64_t>(video.frames.size()), first.height,
                                first.width, first.channels});
  auto to = packed.mutable_values<std::uint8_t>().begin();
  for (const media::Image& frame : video.frames) to = std::ranges::copy(frame.samples, to).out;
  return to_npy(packed);
}

Result<media::Video> unpack_clip(std::string_view bytes, double frame_rate) {
  SERIN_TRY_ASSIGN(const Tensor packed, parse_npy(bytes));
  const Shape& shape = packed.shape();
  if (packed.dtype() != DType::kUInt8 || shape.size() != 4 || packed.elements() == 0 ||
      (shape[3] != 1 && shape[3] != 3)) {
    return fail(Code::kDataLoss, "this is not a clip");
  }
  media::Video video;
  video.frame_rate = frame_rate;
  for (std::int64_t i = 0; i < shape[0]; ++i) {
    const Tensor row = packed.row(i);
    const auto values = row.values<std::uint8_t>();
    media::Image& frame = video.frames.emplace_back();
    frame.height = shape[1];
    frame.width = shape[2];
    frame.channels = static_cast<int>(shape[3]);
    frame.samples.assign(values.begin(), values.end());
  }
  return video;
}

}  // namespace serin::worker
