// SPDX-License-Identifier: Apache-2.0
// What FFmpeg does for us. It stands in a shared object of its own, libserin_av.so, which is loaded
// when first needed: FFmpeg brings 120 libraries with it, and every start of the program would wait
// for them.
#pragma once

#include "media/media.h"

namespace serin::media {

// What libserin_av.so implements; everybody else calls codecs.h and resample().
namespace av {
Result<std::string> encode_mp3(const Audio& audio);
Result<std::string> encode_opus(const Audio& audio);
Result<std::string> encode_aac(const Audio& audio);
Result<Audio> decode_mp3(std::string_view bytes, const DecodeLimits& limits);
Result<std::string> encode_mp4(const Video& video);
Result<std::string> encode_webm(const Video& video);
// Interleaved samples at another rate.
std::vector<float> convert_rate(std::span<const float> samples, int channels, std::int64_t from,
                                std::int64_t to);
}  // namespace av

struct AvCodecs {
  decltype(&av::encode_mp3) encode_mp3;
  decltype(&av::encode_opus) encode_opus;
  decltype(&av::encode_aac) encode_aac;
  decltype(&av::decode_mp3) decode_mp3;
  decltype(&av::encode_mp4) encode_mp4;
  decltype(&av::encode_webm) encode_webm;
  decltype(&av::convert_rate) convert_rate;
};

// The object's one door: `extern "C" const AvCodecs* serin_av_codecs()`.
inline constexpr char kAvCodecsSymbol[] = "serin_av_codecs";
using AvCodecsFunction = const AvCodecs* (*)();

// Loads it the first time, which takes some 30 ms; kUnimplemented where it is not installed. Safe
// from any thread.
Result<const AvCodecs*> av_codecs();

}  // namespace serin::media
