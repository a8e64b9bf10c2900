// SPDX-License-Identifier: Apache-2.0
#include "worker/api/medium.h"

#include <algorithm>
#include <charconv>
#include <variant>

#include "base/overload.h"
#include "media/convert.h"
#include "media/media.h"

namespace serin::worker::api {
namespace {

constexpr std::string_view kNpy = "application/x-npy";
constexpr std::int64_t kQuickElements = 64 * 1024;

template <class Format>
std::optional<Format> format_named(std::string_view type, std::initializer_list<Format> formats) {
  for (const Format format : formats) {
    if (media::media_type(format) == type) return format;
  }
  return std::nullopt;
}

using media::AudioFormat;
using media::ImageFormat;
using media::VideoFormat;
constexpr auto kImages = {ImageFormat::kPng, ImageFormat::kJpeg, ImageFormat::kWebp};
constexpr auto kSounds = {AudioFormat::kWav, AudioFormat::kFlac, AudioFormat::kOpus,
                          AudioFormat::kMp3, AudioFormat::kAac,  AudioFormat::kPcm};
constexpr auto kVideos = {VideoFormat::kMp4, VideoFormat::kWebm, VideoFormat::kGif};

media::PixelForm form_of(model::Layout layout, const model::Range& range) {
  return {std::string(name_of(layout)), range.low, range.high};
}

Result<std::string> encode_image(const model::ImageOutput& output, const Tensor& tensor,
                                 ImageFormat format, const MediumOptions& options) {
  SERIN_TRY_ASSIGN(auto image, media::to_image(tensor, form_of(output.layout, output.range)));
  const bool other_size =
      options.width > 0 && (options.width != image.width || options.height != image.height);
  if (other_size) image = media::resize(image, options.width, options.height);
  return media::encode(image, format, options.quality);
}

Result<std::string> encode_video(const model::VideoOutput& output, const Tensor& tensor,
                                 VideoFormat format, const MediumOptions& options) {
  SERIN_TRY_ASSIGN(
      auto video, media::to_video(tensor, form_of(output.layout, output.range), output.frame_rate));
  if (options.width > 0) {
    for (media::Image& frame : video.frames) {
      frame = media::resize(frame, options.width, options.height);
    }
  }
  return media::encode(video, format);
}

struct Wanted {
  std::string type;
  double weight = 1;
};

std::string_view trimmed(std::string_view text) {
  const auto first = text.find_first_not_of(" \t");
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(" \t") - first + 1);
}

std::vector<Wanted> parse_accept(std::string_view field) {
  std::vector<Wanted> wanted;
  while (!field.empty()) {
    const auto comma = std::min(field.find(','), field.size());
    std::string_view range = trimmed(field.substr(0, comma));
    field.remove_prefix(std::min(comma + 1, field.size()));
    const auto semicolon = std::min(range.find(';'), range.size());
    Wanted one{std::string(trimmed(range.substr(0, semicolon)))};
    std::ranges::transform(one.type, one.type.begin(),
                           [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
    const auto q = range.find("q=", semicolon);
    if (q != std::string_view::npos) {
      std::from_chars(range.data() + q + 2, range.data() + range.size(), one.weight);
    }
    if (!one.type.empty()) wanted.push_back(std::move(one));
  }
  return wanted;
}

// How exactly a range names a type: 0 not at all, 1 as anything, 2 by its kind, 3 itself.
int precision(std::string_view range, std::string_view type) {
  if (range == type) return 3;
  if (range == "*/*") return 1;
  const bool same_kind =
      range.ends_with("/*") && type.starts_with(range.substr(0, range.size() - 1));
  return same_kind ? 2 : 0;
}

}  // namespace

std::vector<std::string_view> media_types(const model::Output& output) {
  std::vector<std::string_view> types;
  auto add = [&](auto formats) {
    for (const auto format : formats) types.push_back(media::media_type(format));
  };
  std::visit(Overload{[&](const model::ImageOutput&) { add(kImages); },
                      [&](const model::AudioOutput&) { add(kSounds); },
                      [&](const model::VideoOutput&) { add(kVideos); },
                      [&](const model::TextOutput&) { types.push_back("text/plain"); },
                      [&](const model::TensorOutput&) {}},
             output.kind);
  if (!std::holds_alternative<model::TextOutput>(output.kind)) types.push_back(kNpy);
  return types;
}

std::optional<std::string> acceptable(const model::Output& output, std::string_view accept,
                                      const std::vector<std::string_view>& also) {
  std::vector<std::string_view> known = media_types(output);
  known.insert(known.end(), also.begin(), also.end());
  if (trimmed(accept).empty()) return std::string(known.front());
  const std::vector<Wanted> wanted = parse_accept(accept);
  std::optional<std::string> best;
  double best_weight = 0;
  std::size_t best_place = 0;
  for (const std::string_view type : known) {
    // The most exact range decides, so that "image/*, image/png;q=0" leaves PNG out.
    const auto range = std::ranges::max_element(
        wanted, {}, [&](const Wanted& one) { return precision(one.type, type); });
    if (range == wanted.end() || precision(range->type, type) == 0) continue;
    const auto place = static_cast<std::size_t>(range - wanted.begin());
    const bool better =
        range->weight > best_weight || (best && range->weight == best_weight && place < best_place);
    if (!better) continue;
    best = type;
    best_weight = range->weight;
    best_place = place;
  }
  return best;
}

Result<std::string> encode_medium(const model::Output& output, const Tensor& tensor,
                                  std::string_view media_type, const MediumOptions& options) {
  if (media_type == kNpy) return to_npy(tensor);
  if (const auto* image = std::get_if<model::ImageOutput>(&output.kind)) {
    if (const auto format = format_named(media_type, kImages)) {
      return encode_image(*image, tensor, *format, options);
    }
  } else if (const auto* audio = std::get_if<model::AudioOutput>(&output.kind)) {
    if (const auto format = format_named(media_type, kSounds)) {
      SERIN_TRY_ASSIGN(const auto sound,
                       media::to_audio(tensor, name_of(audio->layout), audio->sample_rate));
      return media::encode(sound, *format);
    }
  } else if (const auto* video = std::get_if<model::VideoOutput>(&output.kind)) {
    if (const auto format = format_named(media_type, kVideos)) {
      return encode_video(*video, tensor, *format, options);
    }
  }
  return invalid("output " + output.name + " cannot be given as " + std::string(media_type));
}

bool quick_to_encode(const model::Output& output, const Tensor& tensor) {
  const bool simple = std::holds_alternative<model::ImageOutput>(output.kind) ||
                      std::holds_alternative<model::TensorOutput>(output.kind);
  return simple && tensor.elements() <= kQuickElements;
}

}  // namespace serin::worker::api
