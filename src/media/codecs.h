// SPDX-License-Identifier: Apache-2.0
// One function a format, for media.cc to choose from: values have been validated, bytes have been
// recognised by their first few. Each border to a foreign library is one of the files that
// implement these; nothing of those libraries (longjmp, logs, callbacks) comes through. Pure
// functions, safe from any thread.
#pragma once

#include "media/media.h"

namespace serin::media {

Result<std::string> encode_png(const Image& image);
Result<std::string> encode_jpeg(const Image& image, int quality);
Result<std::string> encode_webp(const Image& image, int quality);
Result<Image> decode_png(std::string_view bytes, const DecodeLimits& limits);
Result<Image> decode_jpeg(std::string_view bytes, const DecodeLimits& limits);
Result<Image> decode_webp(std::string_view bytes, const DecodeLimits& limits);

// Little-endian 16-bit samples, as every integer format here stores them.
std::vector<std::int16_t> to_int16(std::span<const float> samples);
Result<std::string> encode_wav(const Audio& audio);
std::string encode_pcm(const Audio& audio);
Result<std::string> encode_flac(const Audio& audio);
Result<std::string> encode_mp3(const Audio& audio);
Result<std::string> encode_opus(const Audio& audio);
Result<std::string> encode_aac(const Audio& audio);
// kInvalidArgument when a WAV's data ends before its header says.
Status check_wav_length(std::string_view bytes);
Result<Audio> decode_sndfile(std::string_view bytes, const DecodeLimits& limits);  // WAV, FLAC, Ogg
Result<Audio> decode_mp3(std::string_view bytes, const DecodeLimits& limits);

Result<std::string> encode_mp4(const Video& video);
Result<std::string> encode_webm(const Video& video);
Result<std::string> encode_gif(const Video& video);

// kInvalidArgument unless the rate, the channels and frames × channels are ones that are read.
Status check_sound(std::int64_t sample_rate, int channels, const DecodeLimits& limits,
                   std::int64_t frames);
// Decoders overshoot: into [-1, 1], with silence for what is not a number.
void clip(std::vector<float>& samples);

// kInvalidArgument unless width and height are positive and their product is within the limit.
// `what`: "the PNG".
Status check_pixels(std::string_view what, std::int64_t width, std::int64_t height,
                    const DecodeLimits& limits);

}  // namespace serin::media
