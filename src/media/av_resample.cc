// SPDX-License-Identifier: Apache-2.0
// Sound at another rate, by libswresample.
#include <algorithm>
#include <memory>

#include "base/check.h"
#include "media/av.h"
#include "media/av_codecs.h"

extern "C" {
#include <libavutil/channel_layout.h>
#include <libavutil/opt.h>
#include <libswresample/swresample.h>
}

namespace serin::media {
namespace {

constexpr std::int64_t kPieceFrames = 65'536;

struct SwrFree {
  void operator()(SwrContext* context) const { swr_free(&context); }
};

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

std::vector<float> av::convert_rate(std::span<const float> samples, int channels, std::int64_t from,
                                    std::int64_t to) {
  silence_av();
  const auto frames = static_cast<std::int64_t>(samples.size()) / channels;
  const std::int64_t wanted = std::max<std::int64_t>(1, (frames * to + from / 2) / from);
  std::vector<float> converted(static_cast<std::size_t>(wanted * channels));
  convert(converter(channels, from, to).get(), samples, channels, wanted, converted);
  for (float& sample : converted)
    sample = std::clamp(sample, -1.0F, 1.0F);  // a filter may ring past the edge
  return converted;
}

}  // namespace serin::media
