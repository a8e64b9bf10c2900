// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include <cstring>
#include <limits>

#include "media/media.h"
#include "media/testing.h"

namespace serin::media {
namespace {

constexpr AudioFormat kReadable[] = {AudioFormat::kWav, AudioFormat::kFlac, AudioFormat::kOpus,
                                     AudioFormat::kMp3};
constexpr AudioFormat kAll[] = {AudioFormat::kWav, AudioFormat::kFlac, AudioFormat::kOpus,
                                AudioFormat::kMp3, AudioFormat::kAac,  AudioFormat::kPcm};

// The best signal-to-noise ratio over small shifts: decoders cut an encoder's delay off, to a few
// samples.
double best_likeness(const std::vector<float>& wanted, const std::vector<float>& got,
                     int channels) {
  double best = -100;
  for (std::size_t shift = 0; shift < 64; ++shift) {
    const std::size_t skip = shift * static_cast<std::size_t>(channels);
    if (skip >= got.size()) break;
    best = std::max(
        best,
        signal_to_noise(wanted, std::vector<float>(got.begin() + static_cast<std::ptrdiff_t>(skip),
                                                   got.end())));
  }
  return best;
}

TEST(Audio, LosslessFormatsKeepSixteenBits) {
  for (const AudioFormat format : {AudioFormat::kWav, AudioFormat::kFlac})
    for (const int channels : {1, 2}) {
      const Audio audio = tone(22'050, channels, 0.3);
      const auto decoded = decode_audio(encode(audio, format).value());
      ASSERT_TRUE(decoded) << decoded.error().message;
      EXPECT_EQ(decoded->sample_rate, 22'050);
      EXPECT_EQ(decoded->channels, channels);
      ASSERT_EQ(decoded->samples.size(), audio.samples.size());
      for (std::size_t i = 0; i < audio.samples.size(); ++i)
        ASSERT_NEAR(decoded->samples[i], audio.samples[i], 0.5 / 32'768 + 1e-7);
      EXPECT_EQ(encode(*decoded, format).value(), encode(audio, format).value());
    }
}

TEST(Audio, LossyFormatsComeClose) {
  for (const AudioFormat format : {AudioFormat::kOpus, AudioFormat::kMp3})
    for (const int channels : {1, 2}) {
      const Audio audio = tone(48'000, channels, 0.5);
      const auto decoded = decode_audio(encode(audio, format).value());
      ASSERT_TRUE(decoded) << decoded.error().message;
      EXPECT_EQ(decoded->sample_rate, 48'000);
      EXPECT_EQ(decoded->channels, channels);
      EXPECT_NEAR(static_cast<double>(decoded->samples.size()),
                  static_cast<double>(audio.samples.size()), 2500.0 * channels)
          << media_type(format);
      EXPECT_GT(best_likeness(audio.samples, decoded->samples, channels), 15) << media_type(format);
    }
}

TEST(Audio, RatesThatAFormatLacksAreResampled) {
  const Audio audio = tone(10'000, 1, 0.4);
  const auto opus = decode_audio(encode(audio, AudioFormat::kOpus).value());
  ASSERT_TRUE(opus) << opus.error().message;
  EXPECT_NEAR(static_cast<double>(opus->samples.size()) / static_cast<double>(opus->sample_rate),
              0.4, 0.03);
  const auto mp3 = decode_audio(encode(audio, AudioFormat::kMp3).value());
  ASSERT_TRUE(mp3) << mp3.error().message;
  EXPECT_EQ(mp3->sample_rate, 11'025);
  EXPECT_TRUE(encode(tone(192'000, 2, 0.1), AudioFormat::kMp3));
  EXPECT_TRUE(encode(tone(192'000, 2, 0.1), AudioFormat::kAac));
  EXPECT_TRUE(encode(tone(700'000, 1, 0.1), AudioFormat::kFlac));
  EXPECT_EQ(decode_audio(encode(tone(65'537, 1, 0.1), AudioFormat::kFlac).value())->sample_rate,
            65'540);
}

TEST(Audio, PcmIsSamplesAlone) {
  const Audio audio{.sample_rate = 8000, .channels = 2, .samples = {0, 1, -1, 0.5F, 2, -2}};
  const std::string bytes = encode(audio, AudioFormat::kPcm).value();
  std::vector<std::int16_t> samples(bytes.size() / 2);
  std::memcpy(samples.data(), bytes.data(), bytes.size());
  EXPECT_EQ(samples, (std::vector<std::int16_t>{0, 32767, -32768, 16384, 32767, -32768}));
}

TEST(Audio, AacIsAdts) {
  const std::string bytes = encode(tone(24'000, 1, 0.5), AudioFormat::kAac).value();
  ASSERT_GT(bytes.size(), 100u);
  EXPECT_EQ(static_cast<unsigned char>(bytes[0]), 0xFF);
  EXPECT_EQ(static_cast<unsigned char>(bytes[1]) & 0xF6, 0xF0);
}

TEST(Audio, EncodingIsAFunctionOfTheSound) {
  for (const AudioFormat format : kAll)
    EXPECT_EQ(encode(tone(16'000, 1, 0.2), format).value(),
              encode(tone(16'000, 1, 0.2), format).value())
        << media_type(format);
}

TEST(Audio, OneSampleIsASound) {
  for (const AudioFormat format : kAll)
    EXPECT_TRUE(encode(Audio{.sample_rate = 16'000, .channels = 1, .samples = {0.25F}}, format))
        << media_type(format);
}

TEST(Audio, RefusesToEncodeWhatIsNoSound) {
  for (const AudioFormat format : kAll) {
    EXPECT_EQ(encode(Audio{.sample_rate = 8000, .channels = 1, .samples = {}}, format).error().code,
              Code::kInvalidArgument);
    EXPECT_EQ(encode(Audio{.sample_rate = 0, .channels = 1, .samples = {0}}, format).error().code,
              Code::kInvalidArgument);
    EXPECT_EQ(encode(Audio{.sample_rate = 8000, .channels = 3, .samples = {0, 0, 0}}, format)
                  .error()
                  .code,
              Code::kInvalidArgument);
    EXPECT_EQ(encode(Audio{.sample_rate = 8000, .channels = 2, .samples = {0, 0, 0}}, format)
                  .error()
                  .code,
              Code::kInternal);
    const float nan = std::numeric_limits<float>::quiet_NaN();
    EXPECT_EQ(
        encode(Audio{.sample_rate = 8000, .channels = 1, .samples = {nan}}, format).error().code,
        Code::kDataLoss);
  }
}

TEST(Audio, RefusesWhatIsNoSound) {
  for (const std::string_view bytes : {"", "R", "RIFF\1\0\0\0WEBPVP8 ", "MThd", "hello"}) {
    const auto audio = decode_audio(bytes);
    ASSERT_FALSE(audio);
    EXPECT_EQ(audio.error().code, Code::kInvalidArgument);
    EXPECT_NE(audio.error().message.find("WAV, FLAC, MP3 and Ogg"), std::string::npos);
  }
}

TEST(Audio, RefusesTruncatedLosslessFiles) {
  for (const AudioFormat format : {AudioFormat::kWav, AudioFormat::kFlac}) {
    const std::string whole = encode(tone(16'000, 1, 0.2), format).value();
    for (std::size_t size = 0; size + 3 < whole.size(); size += 61)
      EXPECT_FALSE(decode_audio(std::string_view(whole).substr(0, size)))
          << media_type(format) << " cut to " << size;
  }
}

TEST(Audio, SurvivesTruncationAndDamage) {
  for (const AudioFormat format : kReadable) {
    const std::string whole = encode(tone(16'000, 1, 0.1), format).value();
    for (std::size_t i = 0; i < whole.size(); i += i < 200 ? 1 : 23) {
      std::string damaged = whole;
      damaged[i] = static_cast<char>(~damaged[i]);
      const auto decoded = decode_audio(damaged, {.audio_samples = 1 << 20});
      if (!decoded) {
        EXPECT_EQ(decoded.error().code, Code::kInvalidArgument);
      }
      static_cast<void>(decode_audio(std::string_view(whole).substr(0, i)));
    }
  }
}

TEST(Audio, LimitsItsLength) {
  for (const AudioFormat format : kReadable) {
    const std::string bytes = encode(tone(16'000, 2, 0.2), format).value();
    const auto decoded = decode_audio(bytes, {.audio_samples = 1000});
    ASSERT_FALSE(decoded) << media_type(format);
    EXPECT_NE(decoded.error().message.find("more than 1000 samples"), std::string::npos)
        << decoded.error().message;
  }
}

TEST(Audio, RefusesRatesThatWouldMakeHugeTensors) {
  std::string wav = encode(tone(8'000, 1, 0.1), AudioFormat::kWav).value();
  const std::uint32_t one = 1;
  std::memcpy(wav.data() + 24, &one, sizeof one);
  const auto decoded = decode_audio(wav);
  ASSERT_FALSE(decoded);
  EXPECT_NE(decoded.error().message.find("samples a second"), std::string::npos)
      << decoded.error().message;
}

TEST(Audio, ResamplingKeepsToneAndDuration) {
  const Audio audio = tone(44'100, 1, 0.5);
  for (const std::int64_t rate : {8'000, 16'000, 48'000, 96'000}) {
    const Audio resampled = *resample(audio, rate, 1);
    const Audio wanted = tone(rate, 1, 0.5);
    EXPECT_EQ(resampled.sample_rate, rate);
    EXPECT_NEAR(static_cast<double>(resampled.samples.size()),
                static_cast<double>(wanted.samples.size()), 1);
    EXPECT_GT(signal_to_noise(wanted.samples, resampled.samples), 30) << rate;
  }
}

TEST(Audio, ChannelsAreCopiedOrAveraged) {
  const Audio stereo{.sample_rate = 8000, .channels = 2, .samples = {0.2F, 0.4F, -1, 1}};
  EXPECT_EQ(resample(stereo, 8000, 2)->samples, stereo.samples);
  const std::vector<float> mono = resample(stereo, 8000, 1)->samples;
  ASSERT_EQ(mono.size(), 2u);
  EXPECT_FLOAT_EQ(mono[0], 0.3F);
  EXPECT_FLOAT_EQ(mono[1], 0);
  EXPECT_EQ(resample({.sample_rate = 8000, .channels = 1, .samples = {0.5F}}, 8000, 2)->samples,
            (std::vector<float>{0.5F, 0.5F}));
  EXPECT_TRUE(
      resample({.sample_rate = 8000, .channels = 1, .samples = {}}, 16'000, 2)->samples.empty());
}

}  // namespace
}  // namespace serin::media
