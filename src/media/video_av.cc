// SPDX-License-Identifier: Apache-2.0
// MP4 (H.264) and WebM (VP9) as browsers play them: 4:2:0, square pixels, Rec. 709 in limited
// range.
#include <algorithm>
#include <cstring>

#include "media/av.h"
#include "media/av_codecs.h"

extern "C" {
#include <libavcodec/avcodec.h>
#include <libswscale/swscale.h>
}

namespace serin::media {
namespace {

constexpr int kMaxSide = 16'384;  // of both encoders
constexpr int kMaxRateDenominator = 100'000;

struct SwsFree {
  void operator()(SwsContext* context) const { sws_freeContext(context); }
};
using Scaler = std::unique_ptr<SwsContext, SwsFree>;

struct Size {
  int width, height;
};

// H.264 in 4:2:0 has even sides: the last column and row are repeated.
Size even(const Image& image) {
  return {static_cast<int>(image.width + image.width % 2),
          static_cast<int>(image.height + image.height % 2)};
}

Size same(const Image& image) {
  return {static_cast<int>(image.width), static_cast<int>(image.height)};
}

// The frame's samples at the given size, in `padded` where they must be copied.
const std::uint8_t* padded_to(const Image& image, Size size, std::vector<std::uint8_t>& padded) {
  if (size.width == image.width && size.height == image.height) return image.samples.data();
  const auto channels = static_cast<std::size_t>(image.channels);
  const std::size_t from_row = static_cast<std::size_t>(image.width) * channels;
  const std::size_t to_row = static_cast<std::size_t>(size.width) * channels;
  padded.resize(to_row * static_cast<std::size_t>(size.height));
  for (int y = 0; y < size.height; ++y) {
    const auto source_y = static_cast<std::size_t>(std::min<std::int64_t>(y, image.height - 1));
    const std::uint8_t* from = image.samples.data() + source_y * from_row;
    std::uint8_t* to = padded.data() + static_cast<std::size_t>(y) * to_row;
    std::memcpy(to, from, from_row);
    if (to_row > from_row) std::memcpy(to + from_row, from + from_row - channels, channels);
  }
  return padded.data();
}

Result<Scaler> scaler(Size size, int channels) {
  const AVPixelFormat from = channels == 1 ? AV_PIX_FMT_GRAY8 : AV_PIX_FMT_RGB24;
  Scaler made(sws_getContext(size.width, size.height, from, size.width, size.height,
                             AV_PIX_FMT_YUV420P,
                             SWS_BILINEAR | SWS_ACCURATE_RND | SWS_FULL_CHR_H_INP | SWS_BITEXACT,
                             nullptr, nullptr, nullptr));
  if (made == nullptr) return fail(Code::kResourceExhausted, "no memory for a colour converter");
  const int* rec709 = sws_getCoefficients(SWS_CS_ITU709);
  constexpr int kFullRange = 1, kLimitedRange = 0, kOne = 1 << 16;
  sws_setColorspaceDetails(made.get(), rec709, kFullRange, rec709, kLimitedRange, 0, kOne, kOne);
  return made;
}

void describe(AVCodecContext& codec, Size size, double frame_rate) {
  codec.width = size.width;
  codec.height = size.height;
  codec.pix_fmt = AV_PIX_FMT_YUV420P;
  codec.framerate = av_d2q(frame_rate, kMaxRateDenominator);
  codec.time_base = av_inv_q(codec.framerate);
  codec.sample_aspect_ratio = {1, 1};
  codec.color_range = AVCOL_RANGE_MPEG;
  codec.colorspace = AVCOL_SPC_BT709;
  codec.color_primaries = AVCOL_PRI_BT709;
  codec.color_trc = AVCOL_TRC_BT709;
}

Result<AvFrame> frame_like(const AVCodecContext& codec) {
  AvFrame frame(av_frame_alloc());
  if (frame == nullptr) return fail(Code::kResourceExhausted, "no memory for a frame");
  frame->format = codec.pix_fmt;
  frame->width = codec.width;
  frame->height = codec.height;
  if (const int code = av_frame_get_buffer(frame.get(), 0); code < 0)
    return av_failed("make a frame", code);
  return frame;
}

Result<std::string> encode_with(const AvWriter::Choice& choice, const Video& video, Size size) {
  if (size.width > kMaxSide || size.height > kMaxSide)
    return invalid("an MP4 or WebM video has at most " + std::to_string(kMaxSide) +
                   " pixels a side");
  SERIN_TRY_ASSIGN(AvWriter writer, AvWriter::open(choice, [&](AVCodecContext& codec) {
                     describe(codec, size, video.frame_rate);
                   }));
  const int channels = video.frames.front().channels;
  SERIN_TRY_ASSIGN(const Scaler to_yuv, scaler(size, channels));
  SERIN_TRY_ASSIGN(const AvFrame frame, frame_like(writer.codec()));
  std::vector<std::uint8_t> padded;
  const int stride = size.width * channels;
  for (std::size_t i = 0; i < video.frames.size(); ++i) {
    // The encoder may still hold the frame before.
    if (const int code = av_frame_make_writable(frame.get()); code < 0)
      return av_failed("reuse a frame", code);
    const std::uint8_t* samples = padded_to(video.frames[i], size, padded);
    sws_scale(to_yuv.get(), &samples, &stride, 0, size.height, frame->data, frame->linesize);
    frame->pts = static_cast<std::int64_t>(i);
    SERIN_TRY(writer.write(*frame));
  }
  return writer.finish();
}

}  // namespace

Result<std::string> av::encode_mp4(const Video& video) {
  return encode_with({.container = "mp4",
                      .codec = "libx264",
                      .container_options = "movflags=+faststart",
                      // x264's macroblock tree reads what the heap held before, so that the same
                      // frames gave other bytes.
                      .codec_options = "preset=veryfast:crf=18:mbtree=0"},
                     video, even(video.frames.front()));
}

Result<std::string> av::encode_webm(const Video& video) {
  return encode_with({.container = "webm",
                      .codec = "libvpx-vp9",
                      .codec_options = "deadline=good:cpu-used=5:crf=24:b=0"},
                     video, same(video.frames.front()));
}

}  // namespace serin::media
