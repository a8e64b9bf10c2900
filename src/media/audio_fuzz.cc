// SPDX-License-Identifier: Apache-2.0
#include <cstddef>
#include <cstdint>
#include <cstdlib>

#include "media/media.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace serin::media;
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  const auto audio = decode_audio(bytes, {.audio_samples = 1 << 16});
  if (!audio) return 0;
  if (audio->samples.empty() ||
      audio->samples.size() % static_cast<std::size_t>(audio->channels) != 0)
    std::abort();
  for (const float sample : audio->samples)
    if (!(sample >= -1 && sample <= 1)) std::abort();
  if (resample(*audio, 16'000, 1)->samples.empty()) std::abort();
  return 0;
}
