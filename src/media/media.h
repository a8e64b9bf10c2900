// SPDX-License-Identifier: Apache-2.0
// Tensors become pictures, sound and video, and back. Pure functions, safe from any thread; foreign
// decoders see only bounded input.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "base/tensor.h"

namespace serin::media {

enum class ImageFormat { kPng, kJpeg, kWebp };
enum class AudioFormat {
  kWav,
  kFlac,
  kOpus,
  kMp3,
  kAac,
  kPcm
};  // kOpus in Ogg, kAac in ADTS, kPcm: s16le, mono or interleaved
enum class VideoFormat { kMp4, kWebm, kGif };

std::string_view media_type(ImageFormat format);  // "image/png"
std::string_view media_type(AudioFormat format);
std::string_view media_type(VideoFormat format);

// 8-bit samples, rows from the top.
struct Image {
  std::int64_t width = 0, height = 0;
  int channels = 3;  // 1, 3 or 4
  std::vector<std::uint8_t> samples;
};
// Interleaved samples in [-1, 1].
struct Audio {
  std::int64_t sample_rate = 0;
  int channels = 1;
  std::vector<float> samples;
};
struct Video {
  double frame_rate = 0;
  std::vector<Image> frames;  // all of one size and 1 or 3 channels
};

struct DecodeLimits {
  std::int64_t pixels = 64 << 20;
  std::int64_t audio_samples = 64 << 20;  // frames × channels
};

Result<std::string> encode(const Image& image, ImageFormat format,
                           int quality = 90);  // quality: 1 to 100, JPEG and WebP
Result<std::string> encode(const Audio& audio, AudioFormat format);
Result<std::string> encode(const Video& video, VideoFormat format);

// PNG, JPEG and WebP by their first bytes; WAV, FLAC, MP3 and Ogg likewise. kInvalidArgument for
// anything else, damaged or over a limit (said from the header, before memory is taken).
Result<Image> decode_image(std::string_view bytes, const DecodeLimits& limits = {});
Result<Audio> decode_audio(std::string_view bytes, const DecodeLimits& limits = {});

// Programs' mistakes, not errors: sides, rates (up to 768,000) and channels (1, 3, 4; for sound up
// to 8) are in range. A caller that takes sound from outside bounds its duration before it asks for
// a higher rate.
Image resize(const Image& image, std::int64_t width,
             std::int64_t height);  // area-averaging down, bilinear up
Image convert_channels(const Image& image,
                       int channels);  // transparency onto white, colour to luma
// To one channel: the mean; from one: copies. Another rate needs FFmpeg: see av_codecs.h.
Result<Audio> resample(const Audio& audio, std::int64_t sample_rate, int channels);

}  // namespace serin::media
