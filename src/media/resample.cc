// SPDX-License-Identifier: Apache-2.0
// Sound at another rate or with another number of channels.
#include "base/check.h"
#include "media/av_codecs.h"

namespace serin::media {
namespace {

constexpr std::int64_t kMaxRate = 768'000;
constexpr int kMaxChannels = 8;

// One channel is copied to all; several become one by their mean; otherwise the first ones are
// kept, then repeated.
std::vector<float> with_channels(const Audio& audio, int channels) {
  if (channels == audio.channels) return audio.samples;
  const auto from = static_cast<std::size_t>(audio.channels),
             to = static_cast<std::size_t>(channels);
  const std::size_t frames = audio.samples.size() / from;
  std::vector<float> out(frames * to);
  for (std::size_t frame = 0; frame < frames; ++frame) {
    const float* in = audio.samples.data() + frame * from;
    if (to == 1) {
      float sum = 0;
      for (std::size_t c = 0; c < from; ++c) sum += in[c];
      out[frame] = sum / static_cast<float>(from);
    } else {
      for (std::size_t c = 0; c < to; ++c) out[frame * to + c] = in[c % from];
    }
  }
  return out;
}

}  // namespace

Result<Audio> resample(const Audio& audio, std::int64_t sample_rate, int channels) {
  SERIN_CHECK(channels >= 1 && channels <= kMaxChannels && audio.channels >= 1 &&
              audio.channels <= kMaxChannels);
  SERIN_CHECK(sample_rate >= 1 && sample_rate <= kMaxRate && audio.sample_rate >= 1);
  Audio out{
      .sample_rate = sample_rate, .channels = channels, .samples = with_channels(audio, channels)};
  if (sample_rate == audio.sample_rate || out.samples.empty()) return out;
  SERIN_TRY_ASSIGN(const AvCodecs* av, av_codecs());
  out.samples = av->convert_rate(out.samples, channels, audio.sample_rate, sample_rate);
  return out;
}

}  // namespace serin::media
