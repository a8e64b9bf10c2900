// SPDX-License-Identifier: Apache-2.0
// Real generations are the golden results of the example packages.
#include "rollout/score/score.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <random>

#include "base/files.h"

namespace serin::rollout {
namespace {

Tensor golden(const std::string& path) {
  const auto bytes = read_file(std::string(SERIN_EXAMPLES) + "/" + path);
  if (!bytes) return {};
  const auto tensor = parse_npy(*bytes);
  return tensor ? *tensor : Tensor();
}

template <class Make>
Tensor made(Shape shape, Make make) {
  Tensor tensor(DType::kFloat32, std::move(shape));
  auto values = tensor.mutable_values<float>();
  for (std::size_t i = 0; i < values.size(); ++i) values[i] = static_cast<float>(make(i));
  return tensor;
}

const std::string kProse =
    "The quick brown fox jumps over the lazy dog, and then it rests in the shade of an old oak "
    "until evening comes and the air is cool again.";

TEST(TextForm, OfWhatTheExamplesWriteIsWhole) {
  EXPECT_DOUBLE_EQ(text_form(" use the following command:\n\nThe", {}), 1);
  EXPECT_DOUBLE_EQ(text_form("perl: module to build DIME data structures", {}), 1);
  EXPECT_DOUBLE_EQ(text_form(kProse, {.prompt = "Write a sentence about a fox and a dog."}), 1);
}

TEST(TextForm, IsNothingWithoutText) {
  EXPECT_DOUBLE_EQ(text_form("", {}), 0);
  EXPECT_DOUBLE_EQ(text_form(" \n\t ", {}), 0);
}

TEST(TextForm, FallsWithLooping) {
  std::string loop;
  for (int i = 0; i < 30; ++i) loop += "and so on and ";
  EXPECT_LT(text_form(loop, {}), 0.1);
  std::string half = kProse;
  for (int i = 0; i < 20; ++i) half += " and so on";
  EXPECT_LT(text_form(half, {}), 0.95);
  EXPECT_GT(text_form(half, {}), text_form(loop, {}));
  EXPECT_LT(text_form(std::string(1000, 'a'), {}), 0.1);
}

TEST(TextForm, FallsWithBytesThatAreNoText) {
  EXPECT_LT(text_form("abc\xff\xfe\xfd", {}), 0.1);
  EXPECT_LT(text_form("ab\xEF\xBF\xBD", {}), 0.1) << "U+FFFD";
  EXPECT_DOUBLE_EQ(text_form("Grüße aus Köln – 日本", {}), 1);
}

TEST(TextForm, HalvesInAnotherScriptThanThePrompts) {
  const std::string russian = "Быстрая коричневая лиса прыгает через ленивую собаку";
  EXPECT_DOUBLE_EQ(text_form(russian, {.prompt = kProse}), 0.5);
  EXPECT_DOUBLE_EQ(text_form(russian, {.prompt = russian}), 1);
  EXPECT_DOUBLE_EQ(text_form(russian, {.prompt = "Translate"}), 1) << "too little to tell";
  EXPECT_DOUBLE_EQ(
      text_form("東京は日本の首都で、とても大きな都市です。人が多いです。",
                {.prompt = "日本の首都について、短い文章を書いてください。お願いします。"}),
      1);
}

TEST(TextForm, KnowsJsonAndCutAnswers) {
  EXPECT_DOUBLE_EQ(text_form(R"({"a": [1, 2]})", {.json = true}), 1);
  EXPECT_DOUBLE_EQ(text_form(R"({"a": [1, 2)", {.json = true}), 0.2);
  EXPECT_DOUBLE_EQ(text_form(R"({"a": [1, 2)", {}), 1);
  EXPECT_DOUBLE_EQ(text_form(kProse, {.cut = true}), 0.9);
}

TEST(TextForm, TakesAnyBytesOfAnyLength) {
  std::mt19937 dice(1);
  std::string noise(3 * kMostText, '\0');
  for (char& byte : noise) byte = static_cast<char>(dice());
  for (std::size_t size = 0; size < 40; ++size) {
    const double form = text_form(std::string_view(noise).substr(0, size), {.prompt = noise});
    EXPECT_GE(form, 0);
    EXPECT_LE(form, 1);
  }
  EXPECT_LT(text_form(noise, {}), 0.01);
}

TEST(ImageForm, OfWhatTheExampleDrawsIsWhole) {
  for (const char* path :
       {"glyphs/package/golden/0.image.npy", "glyphs/package/golden/1.image.npy"})
    EXPECT_DOUBLE_EQ(image_form(golden(path), -1, 1), 1) << path;
}

TEST(ImageForm, IsNothingForABlackAConstantAndABrokenPicture) {
  EXPECT_DOUBLE_EQ(image_form(made({3, 32, 32}, [](auto) { return 0; }), 0, 1), 0);
  EXPECT_DOUBLE_EQ(image_form(made({3, 32, 32}, [](auto) { return 0.4; }), 0, 1), 0);
  EXPECT_DOUBLE_EQ(image_form(made({3, 32, 32}, [](auto) { return -5; }), -1, 1), 0);
  Tensor broken = golden("glyphs/package/golden/0.image.npy");
  ASSERT_FALSE(broken.empty());
  Tensor copy = broken.to_float32();
  copy.mutable_values<float>()[100] = std::numeric_limits<float>::quiet_NaN();
  EXPECT_DOUBLE_EQ(image_form(copy, -1, 1), 0);
  EXPECT_DOUBLE_EQ(image_form(Tensor(), 0, 1), 0);
}

TEST(ImageForm, FallsWhereAlmostNothingIsDrawn) {
  const Tensor two_halves = made({1, 64, 64}, [](std::size_t i) { return i < 2048 ? 0 : 1; });
  EXPECT_LT(image_form(two_halves, 0, 1), 0.1);
  const Tensor bytes = [] {
    Tensor tensor(DType::kUInt8, {16, 16, 3});
    auto values = tensor.mutable_values<std::uint8_t>();
    for (std::size_t i = 0; i < values.size(); ++i) values[i] = static_cast<std::uint8_t>(i * 37);
    return tensor;
  }();
  EXPECT_DOUBLE_EQ(image_form(bytes, 0, 255), 1);
}

TEST(VideoForm, OfWhatTheExampleFilmsIsWhole) {
  for (const char* path : {"motion/package/golden/0.clip.npy", "motion/package/golden/1.clip.npy"})
    EXPECT_GT(video_form(golden(path), 0, 1), 0.9) << path;
}

TEST(VideoForm, IsNothingForAFrozenAndABlackClip) {
  const Tensor clip = golden("motion/package/golden/0.clip.npy");
  ASSERT_FALSE(clip.empty());
  const auto frame = static_cast<std::size_t>(clip.elements() / clip.shape()[0]);
  const Tensor values = clip.to_float32();
  const Tensor frozen =
      made(clip.shape(), [&](std::size_t i) { return values.values<float>()[i % frame]; });
  EXPECT_DOUBLE_EQ(video_form(frozen, 0, 1), 0);
  EXPECT_DOUBLE_EQ(video_form(made(clip.shape(), [](auto) { return 0; }), 0, 1), 0);
  EXPECT_DOUBLE_EQ(video_form(Tensor(), 0, 1), 0);
  EXPECT_GT(
      video_form(made({200, 3, 8, 8}, [](std::size_t i) { return (i * 37 % 101) / 101.0; }), 0, 1),
      0.9);
}

TEST(AudioForm, OfWhatTheExampleSpeaksIsWhole) {
  for (const char* path :
       {"spoken-digits/package/golden/0.audio.npy", "spoken-digits/package/golden/1.audio.npy"})
    EXPECT_GT(audio_form(golden(path)), 0.95) << path;
}

TEST(AudioForm, FallsForSilenceClippingAndAnOffset) {
  const auto wave = [](double loud, double offset) {
    return made({16'000}, [=](std::size_t i) {
      return std::clamp(offset + loud * std::sin(static_cast<double>(i) * 0.17), -1.0, 1.0);
    });
  };
  EXPECT_DOUBLE_EQ(audio_form(wave(0.3, 0)), 1);
  EXPECT_DOUBLE_EQ(audio_form(wave(0, 0)), 0);
  EXPECT_DOUBLE_EQ(audio_form(wave(0.0001, 0)), 0);
  EXPECT_DOUBLE_EQ(audio_form(wave(5, 0)), 0) << "clipped";
  EXPECT_DOUBLE_EQ(audio_form(wave(0.01, 0.5)), 0) << "an offset";
  EXPECT_DOUBLE_EQ(audio_form(made({10}, [](auto) { return std::nan(""); })), 0);
  EXPECT_DOUBLE_EQ(audio_form(Tensor()), 0);
}

}  // namespace
}  // namespace serin::rollout
