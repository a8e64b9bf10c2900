// SPDX-License-Identifier: Apache-2.0
#include "media/av_codecs.h"

#include "base/shared_object.h"
#include "media/codecs.h"

namespace serin::media {
namespace {

Result<const AvCodecs*> load() {
  constexpr char kFile[] = "libserin_av.so";
  for (const std::filesystem::path& path : places_of_shared_object(kFile)) {
    std::error_code problem;
    if (!std::filesystem::exists(path, problem)) continue;
    SERIN_TRY_ASSIGN(void* const symbol, load_symbol(path, kAvCodecsSymbol));
    return reinterpret_cast<AvCodecsFunction>(symbol)();
  }
  return fail(Error{Code::kUnimplemented,
                    std::string(kFile) +
                        " is not installed: there is no MP3, AAC, Opus, MP4, WebM or "
                        "sound at another rate without it",
                    "codec_not_installed"});
}

}  // namespace

Result<const AvCodecs*> av_codecs() {
  static const Result<const AvCodecs*> loaded = load();
  return loaded;
}

Result<std::string> encode_mp3(const Audio& audio) {
  SERIN_TRY_ASSIGN(const AvCodecs* av, av_codecs());
  return av->encode_mp3(audio);
}

Result<std::string> encode_opus(const Audio& audio) {
  SERIN_TRY_ASSIGN(const AvCodecs* av, av_codecs());
  return av->encode_opus(audio);
}

Result<std::string> encode_aac(const Audio& audio) {
  SERIN_TRY_ASSIGN(const AvCodecs* av, av_codecs());
  return av->encode_aac(audio);
}

Result<Audio> decode_mp3(std::string_view bytes, const DecodeLimits& limits) {
  SERIN_TRY_ASSIGN(const AvCodecs* av, av_codecs());
  return av->decode_mp3(bytes, limits);
}

Result<std::string> encode_mp4(const Video& video) {
  SERIN_TRY_ASSIGN(const AvCodecs* av, av_codecs());
  return av->encode_mp4(video);
}

Result<std::string> encode_webm(const Video& video) {
  SERIN_TRY_ASSIGN(const AvCodecs* av, av_codecs());
  return av->encode_webm(video);
}

}  // namespace serin::media
