// SPDX-License-Identifier: Apache-2.0
#include "media/media.h"

#include <algorithm>
#include <cmath>

#include "media/codecs.h"

namespace serin::media {
namespace {

constexpr std::int64_t kMaxSide =
    65'535;  // what GIF can say; the others' own limits are theirs to name
constexpr std::int64_t kMaxSampleRate = 768'000;
// Below and above, a rate is damage, and resampling would make a huge tensor of a small file.
constexpr std::int64_t kMinReadRate = 2'000, kMaxReadRate = 384'000;
constexpr int kMaxReadChannels = 8;
constexpr double kMaxFrameRate = 1'000;

Status check(const Image& image) {
  if (image.width < 1 || image.height < 1 || image.width > kMaxSide || image.height > kMaxSide)
    return invalid("a picture of " + std::to_string(image.width) + " × " +
                   std::to_string(image.height) +
                   " cannot be encoded: each side is between 1 and " + std::to_string(kMaxSide));
  if (image.channels != 1 && image.channels != 3 && image.channels != 4)
    return invalid("a picture has 1, 3 or 4 channels, not " + std::to_string(image.channels));
  if (static_cast<std::int64_t>(image.samples.size()) !=
      image.width * image.height * image.channels)
    return fail(Code::kInternal, "a picture's samples do not match its size");
  return {};
}

Status check(const Audio& audio) {
  if (audio.sample_rate < 1 || audio.sample_rate > kMaxSampleRate)
    return invalid("a sample rate of " + std::to_string(audio.sample_rate) +
                   " Hz cannot be encoded: it is between 1 and " + std::to_string(kMaxSampleRate));
  if (audio.channels != 1 && audio.channels != 2)
    return invalid("sound has 1 or 2 channels, not " + std::to_string(audio.channels));
  if (audio.samples.empty()) return invalid("the sound has no samples");
  if (audio.samples.size() % static_cast<std::size_t>(audio.channels) != 0)
    return fail(Code::kInternal, "a sound's samples do not match its channels");
  for (const float sample : audio.samples)
    if (!std::isfinite(sample))
      return fail(Code::kDataLoss, "the sound has a sample that is not finite");
  return {};
}

Status check(const Video& video) {
  if (!(video.frame_rate > 0 && video.frame_rate <= kMaxFrameRate))
    return invalid("a video's frame rate is above 0 and at most 1000 frames a second");
  if (video.frames.empty()) return invalid("the video has no frames");
  const Image& first = video.frames.front();
  for (const Image& frame : video.frames) {
    SERIN_TRY(check(frame));
    if (frame.channels == 4) return invalid("a video's frames have 1 or 3 channels, not 4");
    if (frame.width != first.width || frame.height != first.height ||
        frame.channels != first.channels)
      return invalid("a video's frames are all of one size and one number of channels");
  }
  return {};
}

bool is_mp3(std::string_view bytes) {
  if (bytes.starts_with("ID3")) return true;
  // A frame header: eleven set bits, a version, layer III.
  return bytes.size() > 2 && static_cast<unsigned char>(bytes[0]) == 0xFF &&
         (static_cast<unsigned char>(bytes[1]) & 0xE6) == 0xE2;
}

}  // namespace

std::string_view media_type(ImageFormat format) {
  switch (format) {
    case ImageFormat::kPng:
      return "image/png";
    case ImageFormat::kJpeg:
      return "image/jpeg";
    case ImageFormat::kWebp:
      return "image/webp";
  }
  return "application/octet-stream";
}

std::string_view media_type(AudioFormat format) {
  switch (format) {
    case AudioFormat::kWav:
      return "audio/wav";
    case AudioFormat::kFlac:
      return "audio/flac";
    case AudioFormat::kOpus:
      return "audio/ogg";
    case AudioFormat::kMp3:
      return "audio/mpeg";
    case AudioFormat::kAac:
      return "audio/aac";
    case AudioFormat::kPcm:
      return "audio/pcm";
  }
  return "application/octet-stream";
}

std::string_view media_type(VideoFormat format) {
  switch (format) {
    case VideoFormat::kMp4:
      return "video/mp4";
    case VideoFormat::kWebm:
      return "video/webm";
    case VideoFormat::kGif:
      return "image/gif";
  }
  return "application/octet-stream";
}

Status check_pixels(std::string_view what, std::int64_t width, std::int64_t height,
                    const DecodeLimits& limits) {
  if (width < 1 || height < 1) return invalid(std::string(what) + " has no pixels");
  if (width > limits.pixels / height)
    return invalid(std::string(what) + " has " + std::to_string(width) + " × " +
                   std::to_string(height) + " pixels; at most " + std::to_string(limits.pixels) +
                   " are read");
  return {};
}

Status check_sound(std::int64_t sample_rate, int channels, const DecodeLimits& limits,
                   std::int64_t frames) {
  if (sample_rate < kMinReadRate || sample_rate > kMaxReadRate)
    return invalid("the sound has " + std::to_string(sample_rate) + " samples a second; between " +
                   std::to_string(kMinReadRate) + " and " + std::to_string(kMaxReadRate) +
                   " are read");
  if (channels < 1 || channels > kMaxReadChannels)
    return invalid("the sound has " + std::to_string(channels) + " channels; 1 to " +
                   std::to_string(kMaxReadChannels) + " are read");
  if (frames > limits.audio_samples / channels)
    return invalid("the sound has more than " + std::to_string(limits.audio_samples) + " samples");
  return {};
}

void clip(std::vector<float>& samples) {
  for (float& sample : samples)
    sample = std::isnan(sample) ? 0.0F : std::clamp(sample, -1.0F, 1.0F);
}

Result<std::string> encode(const Image& image, ImageFormat format, int quality) {
  SERIN_TRY(check(image));
  if (quality < 1 || quality > 100)
    return invalid("quality is between 1 and 100, not " + std::to_string(quality), "quality");
  switch (format) {
    case ImageFormat::kPng:
      return encode_png(image);
    case ImageFormat::kJpeg:
      return encode_jpeg(image, quality);
    case ImageFormat::kWebp:
      return encode_webp(image, quality);
  }
  return fail(Code::kInternal, "an unknown picture format");
}

Result<std::string> encode(const Audio& audio, AudioFormat format) {
  SERIN_TRY(check(audio));
  switch (format) {
    case AudioFormat::kWav:
      return encode_wav(audio);
    case AudioFormat::kFlac:
      return encode_flac(audio);
    case AudioFormat::kOpus:
      return encode_opus(audio);
    case AudioFormat::kMp3:
      return encode_mp3(audio);
    case AudioFormat::kAac:
      return encode_aac(audio);
    case AudioFormat::kPcm:
      return encode_pcm(audio);
  }
  return fail(Code::kInternal, "an unknown sound format");
}

Result<std::string> encode(const Video& video, VideoFormat format) {
  SERIN_TRY(check(video));
  switch (format) {
    case VideoFormat::kMp4:
      return encode_mp4(video);
    case VideoFormat::kWebm:
      return encode_webm(video);
    case VideoFormat::kGif:
      return encode_gif(video);
  }
  return fail(Code::kInternal, "an unknown video format");
}

Result<Image> decode_image(std::string_view bytes, const DecodeLimits& limits) {
  if (bytes.starts_with("\x89PNG\r\n\x1a\n")) return decode_png(bytes, limits);
  if (bytes.starts_with("\xFF\xD8\xFF")) return decode_jpeg(bytes, limits);
  if (bytes.starts_with("RIFF") && bytes.substr(0, 12).ends_with("WEBP"))
    return decode_webp(bytes, limits);
  return invalid("not a picture that can be read: PNG, JPEG and WebP are");
}

Result<Audio> decode_audio(std::string_view bytes, const DecodeLimits& limits) {
  if (bytes.starts_with("RIFF") && bytes.substr(0, 12).ends_with("WAVE")) {
    SERIN_TRY(check_wav_length(bytes));
    return decode_sndfile(bytes, limits);
  }
  if (bytes.starts_with("fLaC") || bytes.starts_with("OggS")) return decode_sndfile(bytes, limits);
  if (is_mp3(bytes)) return decode_mp3(bytes, limits);
  return invalid("not a sound that can be read: WAV, FLAC, MP3 and Ogg are");
}

}  // namespace serin::media
