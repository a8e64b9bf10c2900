// SPDX-License-Identifier: Apache-2.0
// Sound at another rate, by libswresample, or with another number of channels.
#include <algorithm>
#include <memory>

#include "base/check.h"
#include "media/av.h"
#include "media/media.h"

extern "C" {
#include <libavutil/channel_layout.h>
#include <libavutil/opt.h>
#include <libswresample/swresample.h>
}

namespace serin::media {
namespace {

constexpr std::int64_t kMaxRate = 768'000;
constexpr int kMaxChannels = 8;
constexpr std::int64_t kPieceFrames = 65'536;

struct SwrFree {
  void operator()(SwrContext* context) const { swr_free(&context); }
};

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

std::unique_ptr<SwrContext, SwrFree> converter(int channels, std::int64_t from, std::int64_t to) {
  AVChannelLayout layout{};
  av_channel_layout_default(&layout, channels);
  SwrContext* made = nullptr;
  const int code =
      swr_alloc_set_opts2(&made, &layout, AV_SAMPLE_FMT_FLT, static_cast<int>(to), &layout,
                          AV_SAMPLE_FMT_FLT, static_cast<int>(from), 0, nullptr);
  std::unique_ptr<SwrContext, SwrFree> context(made);
  SERIN_CHECK(code >= 0 && swr_init(made) >= 0);
  return context;
}

// Pieces of the input go in, and what comes out is appended up to `wanted` frames; no input left:
// the filter's tail.
void convert(SwrContext* context, std::span<const float> input, int channels, std::int64_t wanted,
             std::vector<float>& out) {
  const auto width = static_cast<std::size_t>(channels);
  std::int64_t made = 0;
  while (made < wanted) {
    const auto frames = std::min(kPieceFrames, static_cast<std::int64_t>(input.size() / width));
    const auto* in = frames > 0 ? reinterpret_cast<const std::uint8_t*>(input.data()) : nullptr;
    auto* to = reinterpret_cast<std::uint8_t*>(out.data() + static_cast<std::size_t>(made) * width);
    const auto room =
        static_cast<int>(std::min<std::int64_t>(wanted - made, std::int64_t{1} << 24));
    const int given =
        swr_convert(context, &to, room, in != nullptr ? &in : nullptr, static_cast<int>(frames));
    SERIN_CHECK(given >= 0);
    made += given;
    if (frames == 0 && given == 0) return;  // the rest stays silent
    input = input.subspan(static_cast<std::size_t>(frames) * width);
  }
}

}  // namespace

Audio resample(const Audio& audio, std::int64_t sample_rate, int channels) {
  SERIN_CHECK(channels >= 1 && channels <= kMaxChannels && audio.channels >= 1 &&
              audio.channels <= kMaxChannels);
  SERIN_CHECK(sample_rate >= 1 && sample_rate <= kMaxRate && audio.sample_rate >= 1);
  Audio out{
      .sample_rate = sample_rate, .channels = channels, .samples = with_channels(audio, channels)};
  if (sample_rate == audio.sample_rate || out.samples.empty()) return out;
  silence_av();
  const auto frames = static_cast<std::int64_t>(out.samples.size()) / channels;
  const std::int64_t wanted =
      std::max<std::int64_t>(1, (frames * sample_rate + audio.sample_rate / 2) / audio.sample_rate);
  std::vector<float> converted(static_cast<std::size_t>(wanted * channels));
  convert(converter(channels, audio.sample_rate, sample_rate).get(), out.samples, channels, wanted,
          converted);
  for (float& sample : converted)
    sample = std::clamp(sample, -1.0F, 1.0F);  // a filter may ring past the edge
  out.samples = std::move(converted);
  return out;
}

}  // namespace serin::media
