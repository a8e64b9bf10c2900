// SPDX-License-Identifier: Apache-2.0
// Pictures, sounds and videos for tests, made by rule.
#pragma once

#include <cmath>
#include <numbers>

#include "media/media.h"

namespace serin::media {

// Smooth in x and y, different in every channel; an alpha channel is opaque on the left and clear
// on the right.
inline Image gradient(std::int64_t width, std::int64_t height, int channels, int shift = 0) {
  Image image{.width = width, .height = height, .channels = channels, .samples = {}};
  for (std::int64_t y = 0; y < height; ++y)
    for (std::int64_t x = 0; x < width; ++x)
      for (int c = 0; c < channels; ++c) {
        const std::int64_t across = x * 200 / width, down = y * 200 / height;
        const std::int64_t value = c == 0 ? across + shift : (c == 1 ? down : 200 - across);
        image.samples.push_back(
            static_cast<std::uint8_t>(c == 3 ? 255 - x * 255 / width : value % 256));
      }
  return image;
}

// One tone a channel, at half of full scale.
inline Audio tone(std::int64_t sample_rate, int channels, double seconds, double hertz = 440) {
  Audio audio{.sample_rate = sample_rate, .channels = channels, .samples = {}};
  const auto frames = static_cast<std::int64_t>(static_cast<double>(sample_rate) * seconds);
  for (std::int64_t i = 0; i < frames; ++i)
    for (int c = 0; c < channels; ++c)
      audio.samples.push_back(static_cast<float>(
          0.5 * std::sin(2 * std::numbers::pi * hertz * (c + 1) * static_cast<double>(i) /
                         static_cast<double>(sample_rate))));
  return audio;
}

// A gradient that moves.
inline Video moving(std::int64_t width, std::int64_t height, int channels, int frames,
                    double frame_rate) {
  Video video{.frame_rate = frame_rate, .frames = {}};
  for (int i = 0; i < frames; ++i) video.frames.push_back(gradient(width, height, channels, i * 3));
  return video;
}

// Signal over error in dB, over the samples that both have.
template <class T>
double signal_to_noise(const std::vector<T>& wanted, const std::vector<T>& got) {
  double signal = 0, noise = 1e-12;
  for (std::size_t i = 0; i < std::min(wanted.size(), got.size()); ++i) {
    const double w = wanted[i], g = got[i];
    signal += w * w;
    noise += (w - g) * (w - g);
  }
  return 10 * std::log10(signal / noise);
}

}  // namespace serin::media
