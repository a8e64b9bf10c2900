// SPDX-License-Identifier: Apache-2.0
// WAV and bare PCM: 16-bit little-endian samples, with and without a RIFF header
// (http://soundfile.sapp.org/doc/WaveFormat/).
#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>
#include <limits>

#include "media/codecs.h"

namespace serin::media {
namespace {

static_assert(std::endian::native == std::endian::little,
              "samples are copied as they lie in memory");

constexpr std::size_t kHeaderBytes = 44;

void put(std::string& out, std::uint32_t value, int bytes) {
  for (int i = 0; i < bytes; ++i) out.push_back(static_cast<char>(value >> (8 * i)));
}

std::uint32_t little_endian(std::string_view bytes) {
  std::uint32_t value = 0;
  std::memcpy(&value, bytes.data(), sizeof value);
  return value;
}

void append_samples(std::string& out, const Audio& audio) {
  const std::vector<std::int16_t> samples = to_int16(audio.samples);
  out.append(reinterpret_cast<const char*>(samples.data()), samples.size() * sizeof samples[0]);
}

}  // namespace

std::vector<std::int16_t> to_int16(std::span<const float> samples) {
  std::vector<std::int16_t> out(samples.size());
  std::transform(samples.begin(), samples.end(), out.begin(), [](float sample) {
    return static_cast<std::int16_t>(
        std::lrint(std::clamp(sample * 32768.0F, -32768.0F, 32767.0F)));
  });
  return out;
}

std::string encode_pcm(const Audio& audio) {
  std::string out;
  append_samples(out, audio);
  return out;
}

Result<std::string> encode_wav(const Audio& audio) {
  const std::size_t data_bytes = audio.samples.size() * sizeof(std::int16_t);
  if (data_bytes > std::numeric_limits<std::uint32_t>::max() - kHeaderBytes)
    return invalid("a WAV file holds at most 4 GiB");
  const auto rate = static_cast<std::uint32_t>(audio.sample_rate);
  const auto channels = static_cast<std::uint32_t>(audio.channels);
  std::string out;
  out.reserve(kHeaderBytes + data_bytes);
  out.append("RIFF");
  put(out, static_cast<std::uint32_t>(kHeaderBytes - 8 + data_bytes), 4);
  out.append("WAVEfmt ");
  put(out, 16, 4);
  put(out, 1, 2);  // integer PCM
  put(out, channels, 2);
  put(out, rate, 4);
  put(out, rate * channels * 2, 4);
  put(out, channels * 2, 2);
  put(out, 16, 2);
  out.append("data");
  put(out, static_cast<std::uint32_t>(data_bytes), 4);
  append_samples(out, audio);
  return out;
}

// libsndfile takes what is there; a file that was cut off should say so. 0 and 0xFFFFFFFF are what
// a program writes that cannot seek back to fill the size in.
Status check_wav_length(std::string_view bytes) {
  std::size_t at = 12;
  while (at + 8 <= bytes.size()) {
    const std::uint32_t size = little_endian(bytes.substr(at + 4));
    const std::size_t left = bytes.size() - at - 8;
    if (bytes.substr(at, 4) == "data") {
      if (size == 0 || size == 0xFFFFFFFF || size <= left) return {};
      return invalid("the WAV ends early: its header says " + std::to_string(size) +
                     " bytes of samples, there are " + std::to_string(left));
    }
    if (size > left) break;
    at += 8 + size + size % 2;
  }
  return invalid("the WAV has no samples: no data chunk was found");
}

}  // namespace serin::media
