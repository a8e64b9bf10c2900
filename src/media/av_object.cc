// SPDX-License-Identifier: Apache-2.0
// libserin_av.so's one door.
#include "media/av_codecs.h"

extern "C" __attribute__((visibility("default"))) const serin::media::AvCodecs* serin_av_codecs() {
  using namespace serin::media;
  static constexpr AvCodecs kCodecs{&av::encode_mp3,  &av::encode_opus, &av::encode_aac,
                                    &av::decode_mp3,  &av::encode_mp4,  &av::encode_webm,
                                    &av::convert_rate};
  return &kCodecs;
}
