// SPDX-License-Identifier: Apache-2.0
// Opus in Ogg, MP3 and AAC in ADTS, by FFmpeg.
#include <algorithm>
#include <array>
#include <cstring>

#include "media/av.h"
#include "media/av_codecs.h"

extern "C" {
#include <libavcodec/avcodec.h>
#include <libavutil/channel_layout.h>
}

namespace serin::media {
namespace {

constexpr std::array<std::int64_t, 5> kOpusRates{8000, 12000, 16000, 24000, 48000};
constexpr std::array<std::int64_t, 9> kMp3Rates{8000,  11025, 12000, 16000, 22050,
                                                24000, 32000, 44100, 48000};
constexpr std::array<std::int64_t, 12> kAacRates{8000,  11025, 12000, 16000, 22050, 24000,
                                                 32000, 44100, 48000, 64000, 88200, 96000};

// The rate itself, or the next above, or the highest.
std::int64_t rate_among(std::span<const std::int64_t> rates, std::int64_t wanted) {
  const auto found = std::ranges::lower_bound(rates, wanted);
  return found == rates.end() ? rates.back() : *found;
}

struct AudioChoice {
  AvWriter::Choice av;
  AVSampleFormat format;
  std::int64_t bits_per_channel;  // a second
};

Result<AvFrame> frame_of(const Audio& audio, std::size_t begin, std::size_t frames,
                         const AVCodecContext& codec) {
  AvFrame frame(av_frame_alloc());
  if (frame == nullptr) return fail(Code::kResourceExhausted, "no memory for a frame");
  frame->format = codec.sample_fmt;
  frame->nb_samples = static_cast<int>(frames);
  frame->sample_rate = codec.sample_rate;
  frame->pts = static_cast<std::int64_t>(begin);
  if (const int code = av_channel_layout_copy(&frame->ch_layout, &codec.ch_layout); code < 0)
    return av_failed("make a frame", code);
  if (const int code = av_frame_get_buffer(frame.get(), 0); code < 0)
    return av_failed("make a frame", code);
  const auto channels = static_cast<std::size_t>(audio.channels);
  const float* from = audio.samples.data() + begin * channels;
  if (codec.sample_fmt == AV_SAMPLE_FMT_FLT) {
    std::memcpy(frame->data[0], from, frames * channels * sizeof(float));
    return frame;
  }
  for (std::size_t c = 0; c < channels; ++c) {
    auto* to = reinterpret_cast<float*>(frame->extended_data[c]);
    for (std::size_t i = 0; i < frames; ++i) to[i] = from[i * channels + c];
  }
  return frame;
}

Result<std::string> encode_with(const AudioChoice& choice, const Audio& audio) {
  SERIN_TRY_ASSIGN(AvWriter writer, AvWriter::open(choice.av, [&](AVCodecContext& codec) {
                     codec.sample_fmt = choice.format;
                     codec.sample_rate = static_cast<int>(audio.sample_rate);
                     av_channel_layout_default(&codec.ch_layout, audio.channels);
                     codec.bit_rate = choice.bits_per_channel * audio.channels;
                     codec.time_base = {1, codec.sample_rate};
                   }));
  const std::size_t total = audio.samples.size() / static_cast<std::size_t>(audio.channels);
  const auto step = static_cast<std::size_t>(writer.codec().frame_size);
  for (std::size_t begin = 0; begin < total; begin += step) {
    SERIN_TRY_ASSIGN(const AvFrame frame,
                     frame_of(audio, begin, std::min(step, total - begin), writer.codec()));
    SERIN_TRY(writer.write(*frame));
  }
  return writer.finish();
}

}  // namespace

Result<std::string> av::encode_opus(const Audio& audio) {
  const std::int64_t rate = rate_among(kOpusRates, audio.sample_rate);
  if (rate != audio.sample_rate) {
    SERIN_TRY_ASSIGN(const Audio other, resample(audio, rate, audio.channels));
    return encode_opus(other);
  }
  return encode_with({{"ogg", "libopus"}, AV_SAMPLE_FMT_FLT, 64'000}, audio);
}

Result<std::string> av::encode_mp3(const Audio& audio) {
  const std::int64_t rate = rate_among(kMp3Rates, audio.sample_rate);
  if (rate != audio.sample_rate) {
    SERIN_TRY_ASSIGN(const Audio other, resample(audio, rate, audio.channels));
    return encode_mp3(other);
  }
  return encode_with({{"mp3", "libmp3lame"}, AV_SAMPLE_FMT_FLTP, 80'000}, audio);
}

Result<std::string> av::encode_aac(const Audio& audio) {
  const std::int64_t rate = rate_among(kAacRates, audio.sample_rate);
  if (rate != audio.sample_rate) {
    SERIN_TRY_ASSIGN(const Audio other, resample(audio, rate, audio.channels));
    return encode_aac(other);
  }
  return encode_with({{"adts", "aac"}, AV_SAMPLE_FMT_FLTP, 96'000}, audio);
}

}  // namespace serin::media
