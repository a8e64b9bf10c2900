// SPDX-License-Identifier: Apache-2.0
#include "engine/random.h"

#include <gtest/gtest.h>

#include <cmath>
#include <vector>

namespace serin::engine {
namespace {

using Words = std::array<std::uint32_t, 4>;

// The lines "philox4x32 10" of Random123's known-answer file.
TEST(Philox, GivesTheKnownAnswersOfItsAuthors) {
  EXPECT_EQ(philox({0, 0, 0, 0}, {0, 0}), (Words{0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8}));
  EXPECT_EQ(philox({~0u, ~0u, ~0u, ~0u}, {~0u, ~0u}),
            (Words{0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd}));
  EXPECT_EQ(philox({0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344}, {0xa4093822, 0x299f31d0}),
            (Words{0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1}));
}

TEST(Philox, KeysAndCountersAreLaidOutAsThePageSays) {
  EXPECT_EQ(random_block(0x299f31d0a4093822, 0x13198a2e, 0x85a308d3243f6a88),
            philox({0x243f6a88, 0x85a308d3, 0x13198a2e, 0}, {0xa4093822, 0x299f31d0}));
}

// Made by examples/sampling.py, which implements the same page in numpy.
TEST(Noise, IsWhatThePythonReferenceDraws) {
  std::vector<float> normal(7);
  fill_normal((std::uint64_t{1} << 40) + 7, kNoiseStream + 3, normal);
  const std::vector<float> expected{1.1752687f, 0.2795228f, -0.846002f, -1.0745227f,
                                    1.6842234f, 0.8428734f, 0.13338006f};
  for (std::size_t i = 0; i < expected.size(); ++i) EXPECT_FLOAT_EQ(normal[i], expected[i]) << i;

  std::vector<float> uniform(6);
  fill_uniform((std::uint64_t{1} << 40) + 7, kNoiseStream + 2, uniform);
  const std::vector<float> flat{0.9058661f,  0.6666006f, 0.5038022f,
                                0.42668277f, 0.2845958f, 0.429637f};
  EXPECT_EQ(uniform, flat);

  std::vector<float> many(100'000);
  fill_normal(12345, kNoiseStream, many);
  EXPECT_FLOAT_EQ(many[65], 0.84007585f);
  EXPECT_FLOAT_EQ(many[70001], 0.6628212f);
  EXPECT_FLOAT_EQ(many[99999], 1.0846086f);
}

TEST(Labels, AreWhatThePythonReferenceDraws) {
  EXPECT_EQ(draw_label(0, 1, 36), 35u);
  EXPECT_EQ(draw_label(7, 1, 36), 14u);
  EXPECT_EQ(draw_label((std::uint64_t{1} << 40) + 7, 1, 36), 13u);
  EXPECT_EQ(draw_label((std::uint64_t{1} << 63) - 1, 1, 36), 1u);
  EXPECT_EQ(draw_label(11, 1, 36), 14u);
}

TEST(TextSampling, TakesWordZeroOfTheBlockOfTheTokensPlace) {
  const std::vector<float> expected{0.1707180142402649f, 0.779897928237915f, 0.6287025809288025f,
                                    0.7832386493682861f};
  for (std::uint64_t i = 0; i < expected.size(); ++i) {
    EXPECT_EQ(uniform_of(random_block(5, kSamplingStream, i)[0]), expected[i]);
  }
}

TEST(Noise, OfASmallerShapeIsTheBeginningOfALarger) {
  std::vector<float> large(301), small(5);
  fill_normal(9, kNoiseStream, large);
  fill_normal(9, kNoiseStream, small);
  for (std::size_t i = 0; i < small.size(); ++i) EXPECT_EQ(small[i], large[i]);
}

TEST(Noise, DiffersBySeedAndByStream) {
  std::vector<float> a(8), b(8), c(8);
  fill_uniform(1, kNoiseStream, a);
  fill_uniform(2, kNoiseStream, b);
  fill_uniform(1, kNoiseStream + 1, c);
  EXPECT_NE(a, b);
  EXPECT_NE(a, c);
}

TEST(UniformNoise, FillsItsBinsEvenly) {
  std::vector<float> values(200'000);
  fill_uniform(42, kNoiseStream, values);
  std::vector<double> bins(100);
  for (const float value : values) {
    ASSERT_GE(value, 0.0f);
    ASSERT_LT(value, 1.0f);
    ++bins[static_cast<std::size_t>(value * 100)];
  }
  double chi_square = 0;
  for (const double count : bins) chi_square += (count - 2000) * (count - 2000) / 2000;
  // 99 degrees of freedom: 57.1 and 148.2 bound all but 0.1 % on either side.
  EXPECT_GT(chi_square, 57.1);
  EXPECT_LT(chi_square, 148.2);
}

TEST(NormalNoise, HasTheMomentsAndTailsOfANormalDistribution) {
  std::vector<float> values(200'000);
  fill_normal(42, kNoiseStream, values);
  double sum = 0, squares = 0, cubes = 0;
  int beyond_two = 0;
  for (const float value : values) {
    ASSERT_TRUE(std::isfinite(value));
    sum += value;
    squares += double{value} * value;
    cubes += double{value} * value * value;
    beyond_two += std::abs(value) > 2 ? 1 : 0;
  }
  const double n = static_cast<double>(values.size());
  EXPECT_NEAR(sum / n, 0, 0.01);
  EXPECT_NEAR(squares / n, 1, 0.015);
  EXPECT_NEAR(cubes / n, 0, 0.03);
  EXPECT_NEAR(beyond_two / n, 0.0455, 0.002);
}

}  // namespace
}  // namespace serin::engine
