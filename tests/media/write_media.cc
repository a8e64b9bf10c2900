// SPDX-License-Identifier: Apache-2.0
// Encodes samples from standard input to standard output, for media_test.py to read with other
// people's decoders.
//
//   write_media png|jpeg|webp WIDTH HEIGHT CHANNELS         bytes
//   write_media wav|flac|opus|mp3|aac|pcm RATE CHANNELS     32-bit floats
//   write_media mp4|webm|gif WIDTH HEIGHT CHANNELS RATE     bytes, one frame after the other
#include <cstdio>
#include <cstring>
#include <iostream>
#include <iterator>
#include <map>

#include "media/media.h"

namespace {

using namespace serin;
using Words = std::vector<std::string>;

const std::map<std::string, media::ImageFormat, std::less<>> kImages{
    {"png", media::ImageFormat::kPng},
    {"jpeg", media::ImageFormat::kJpeg},
    {"webp", media::ImageFormat::kWebp}};
const std::map<std::string, media::AudioFormat, std::less<>> kSounds{
    {"wav", media::AudioFormat::kWav},   {"flac", media::AudioFormat::kFlac},
    {"opus", media::AudioFormat::kOpus}, {"mp3", media::AudioFormat::kMp3},
    {"aac", media::AudioFormat::kAac},   {"pcm", media::AudioFormat::kPcm}};
const std::map<std::string, media::VideoFormat, std::less<>> kVideos{
    {"mp4", media::VideoFormat::kMp4},
    {"webm", media::VideoFormat::kWebm},
    {"gif", media::VideoFormat::kGif}};

media::Image image(const Words& words, std::string_view samples) {
  return {.width = std::stoll(words[1]),
          .height = std::stoll(words[2]),
          .channels = std::stoi(words[3]),
          .samples = {samples.begin(), samples.end()}};
}

media::Audio audio(const Words& words, std::string_view samples) {
  media::Audio made{.sample_rate = std::stoll(words[1]),
                    .channels = std::stoi(words[2]),
                    .samples = std::vector<float>(samples.size() / sizeof(float))};
  std::memcpy(made.samples.data(), samples.data(), made.samples.size() * sizeof(float));
  return made;
}

media::Video video(const Words& words, std::string_view samples) {
  media::Video made{.frame_rate = std::stod(words[4]), .frames = {}};
  const std::size_t size = std::stoull(words[1]) * std::stoull(words[2]) * std::stoull(words[3]);
  for (; !samples.empty(); samples.remove_prefix(size))
    made.frames.push_back(image(words, samples.substr(0, size)));
  return made;
}

Result<std::string> encoded(const Words& words, std::string_view samples) {
  if (const auto format = kImages.find(words[0]); format != kImages.end())
    return encode(image(words, samples), format->second);
  if (const auto format = kSounds.find(words[0]); format != kSounds.end())
    return encode(audio(words, samples), format->second);
  return encode(video(words, samples), kVideos.at(words[0]));
}

}  // namespace

int main(int count, char** arguments) {
  const std::string samples{std::istreambuf_iterator<char>(std::cin), {}};
  const auto bytes = encoded(Words(arguments + 1, arguments + count), samples);
  if (!bytes) return std::fprintf(stderr, "%s\n", bytes.error().message.c_str()), 1;
  std::fwrite(bytes->data(), 1, bytes->size(), stdout);
  return 0;
}
