// SPDX-License-Identifier: Apache-2.0
// write_media FOLDER: one file of every medium, for media_test.py to read with other people's
// decoders.
#include <cstdio>

#include "base/files.h"
#include "media/testing.h"

namespace {

using namespace serin;

bool write(const std::filesystem::path& path, const Result<std::string>& bytes) {
  const Status written = bytes ? write_file(path, *bytes) : Status(fail(bytes.error()));
  if (!written) std::fprintf(stderr, "%s: %s\n", path.c_str(), written.error().message.c_str());
  return written.has_value();
}

bool write_images(const std::filesystem::path& folder) {
  bool good = true;
  for (const int channels : {1, 3, 4}) {
    const media::Image image = media::gradient(61, 40, channels);
    const std::string name = "image" + std::to_string(channels);
    good &= write(folder / (name + ".png"), encode(image, media::ImageFormat::kPng));
    good &= write(folder / (name + ".jpeg"), encode(image, media::ImageFormat::kJpeg));
    good &= write(folder / (name + ".webp"), encode(image, media::ImageFormat::kWebp));
    good &=
        write(folder / (name + ".raw"), std::string(image.samples.begin(), image.samples.end()));
  }
  return good;
}

bool write_sounds(const std::filesystem::path& folder) {
  bool good = true;
  for (const int channels : {1, 2})
    for (const std::int64_t rate : {16'000, 44'100}) {
      const media::Audio audio = media::tone(rate, channels, 0.75);
      const std::string name = "sound" + std::to_string(channels) + "-" + std::to_string(rate);
      good &= write(folder / (name + ".wav"), encode(audio, media::AudioFormat::kWav));
      good &= write(folder / (name + ".flac"), encode(audio, media::AudioFormat::kFlac));
      good &= write(folder / (name + ".opus"), encode(audio, media::AudioFormat::kOpus));
      good &= write(folder / (name + ".mp3"), encode(audio, media::AudioFormat::kMp3));
      good &= write(folder / (name + ".aac"), encode(audio, media::AudioFormat::kAac));
      good &= write(folder / (name + ".pcm"), encode(audio, media::AudioFormat::kPcm));
    }
  return good;
}

bool write_videos(const std::filesystem::path& folder) {
  bool good = true;
  for (const int channels : {1, 3}) {
    const media::Video video = media::moving(64, 48, channels, 24, 12);
    const media::Video odd = media::moving(33, 17, channels, 7, 8);
    const std::string name = std::to_string(channels);
    for (const auto& [kind, shown] :
         {std::pair<std::string, const media::Video&>{"video", video}, {"odd", odd}}) {
      good &= write(folder / (kind + name + ".mp4"), encode(shown, media::VideoFormat::kMp4));
      good &= write(folder / (kind + name + ".webm"), encode(shown, media::VideoFormat::kWebm));
      good &= write(folder / (kind + name + ".gif"), encode(shown, media::VideoFormat::kGif));
    }
  }
  // Noise fills and clears the code table again and again.
  media::Video noise{.frame_rate = 120, .frames = {}};
  for (int i = 0; i < 12; ++i) {
    media::Image frame{.width = 120, .height = 90, .channels = 1, .samples = {}};
    std::uint32_t state = 1 + static_cast<std::uint32_t>(i);
    for (int p = 0; p < 120 * 90; ++p) {
      state = state * 1'664'525 + 1'013'904'223;
      frame.samples.push_back(static_cast<std::uint8_t>(state >> 24));
    }
    noise.frames.push_back(frame);
  }
  good &= write(folder / "noise.gif", encode(noise, media::VideoFormat::kGif));
  const auto& samples = noise.frames[0].samples;
  return good & write(folder / "noise.raw", std::string(samples.begin(), samples.end()));
}

}  // namespace

int main(int count, char** arguments) {
  if (count != 2) return std::fprintf(stderr, "usage: write_media FOLDER\n"), 2;
  const std::filesystem::path folder = arguments[1];
  return write_images(folder) && write_sounds(folder) && write_videos(folder) ? 0 : 1;
}
