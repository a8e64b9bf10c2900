// SPDX-License-Identifier: Apache-2.0
#include "engine/sampler.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <map>

#include "engine/random.h"

namespace serin::engine {
namespace {

constexpr float kInfinity = std::numeric_limits<float>::infinity();

std::int64_t draw(const std::vector<float>& logits, const Sampling& sampling,
                  std::uint64_t seed = 1, std::vector<std::int64_t> answer = {},
                  std::vector<std::int64_t> prompt = {}) {
  DrawScratch scratch;
  const auto drawn = draw_token(logits, sampling, {prompt, answer, seed}, scratch);
  EXPECT_TRUE(drawn) << drawn.error().message;
  return drawn ? drawn->id : -1;
}

// How often each token comes over many seeds.
std::map<std::int64_t, int> counts(const std::vector<float>& logits, const Sampling& sampling,
                                   int seeds = 4000) {
  std::map<std::int64_t, int> seen;
  for (int seed = 0; seed < seeds; ++seed) {
    ++seen[draw(logits, sampling, static_cast<std::uint64_t>(seed))];
  }
  return seen;
}

Sampling greedy() {
  Sampling sampling;
  sampling.temperature = 0;
  return sampling;
}

TEST(Sampler, TakesTheHighestAtTemperatureZeroAndTheLowerIdOfTwo) {
  EXPECT_EQ(draw({1, 3, 2, 3}, greedy()), 1);
  EXPECT_EQ(draw({-kInfinity, -kInfinity, -5}, greedy()), 2);
}

TEST(Sampler, DrawsInProportionToTheSoftmax) {
  const auto seen = counts({0, std::log(2.0f), std::log(5.0f)}, {}, 8000);
  EXPECT_NEAR(seen.at(0), 1000, 120);
  EXPECT_NEAR(seen.at(1), 2000, 160);
  EXPECT_NEAR(seen.at(2), 5000, 200);
}

TEST(Sampler, DrawsTheFirstTokenWhoseRunningSumPassesTheUniformNumber) {
  const std::vector<float> logits(10, 0.0f);
  for (std::uint64_t place = 0; place < 20; ++place) {
    const float u = uniform_of(random_block(5, kSamplingStream, place)[0]);
    EXPECT_EQ(draw(logits, {}, 5, std::vector<std::int64_t>(place, 3)),
              static_cast<std::int64_t>(u * 10));
  }
}

TEST(Sampler, LowTemperatureSharpensAndHighFlattens) {
  Sampling cold, hot;
  cold.temperature = 0.1;
  hot.temperature = 2;
  const std::vector<float> logits{0, 1};
  EXPECT_GT(counts(logits, cold).at(1), 3990);
  EXPECT_NEAR(counts(logits, hot).at(1), 4000 / (1 + std::exp(-0.5)), 130);
}

TEST(Sampler, TopKKeepsTheKBestAndTheLowerIdAmongEquals) {
  Sampling sampling;
  sampling.top_k = 2;
  EXPECT_EQ(counts({1, 1, 1, 1}, sampling, 500).size(), 2u);
  EXPECT_EQ(counts({1, 1, 1, 1}, sampling, 500).count(3), 0u);
  EXPECT_EQ(counts({0, 5, 1, 5}, sampling, 500), counts({-9, 5, -9, 5}, sampling, 500));
}

TEST(Sampler, TopPKeepsTheFewestThatReachItsMass) {
  const std::vector<float> logits{std::log(0.5f), std::log(0.3f), std::log(0.15f), std::log(0.05f)};
  Sampling sampling;
  sampling.top_p = 0.75;
  const auto seen = counts(logits, sampling);
  EXPECT_EQ(seen.size(), 2u);
  EXPECT_NEAR(seen.at(0), 2500, 150);
  sampling.top_p = 0.01;
  EXPECT_EQ(counts(logits, sampling, 100).size(), 1u);
}

TEST(Sampler, TopPReachesFarIntoALargeFlatVocabulary) {
  const std::vector<float> logits(1000, 0.25f);
  Sampling sampling;
  sampling.top_p = 0.6;
  std::int64_t highest = 0;
  for (const auto& [id, count] : counts(logits, sampling)) highest = std::max(highest, id);
  EXPECT_LE(highest, 600);
  EXPECT_GT(highest, 580);
}

TEST(Sampler, MinPDropsWhatIsUnlikelyNextToTheBest) {
  Sampling sampling;
  sampling.min_p = 0.2;
  const auto seen = counts({std::log(0.6f), std::log(0.3f), std::log(0.1f)}, sampling);
  EXPECT_EQ(seen.size(), 2u);
  EXPECT_EQ(seen.count(2), 0u);
}

TEST(Sampler, PresencePunishesOnceAndFrequencyEachTime) {
  Sampling presence = greedy(), frequency = greedy();
  presence.presence_penalty = 1;
  frequency.frequency_penalty = 1;
  const std::vector<float> logits{2.5f, 1};
  EXPECT_EQ(draw(logits, presence, 1, {0, 0, 0}), 0);
  EXPECT_EQ(draw(logits, frequency, 1, {0}), 0);
  EXPECT_EQ(draw(logits, frequency, 1, {0, 0}), 1);
}

TEST(Sampler, PresencePenaltiesDoNotSeeThePromptButRepetitionDoes) {
  Sampling presence = greedy(), repetition = greedy();
  presence.presence_penalty = 2;
  repetition.repetition_penalty = 3;
  const std::vector<float> logits{2, 1};
  EXPECT_EQ(draw(logits, presence, 1, {}, {0}), 0);
  EXPECT_EQ(draw(logits, repetition, 1, {}, {0}), 1);
  EXPECT_EQ(draw({-1, -2}, repetition, 1, {0}), 1) << "a negative score is multiplied";
}

TEST(Sampler, LogitBiasForcesAndBans) {
  Sampling sampling = greedy();
  sampling.logit_bias = {{2, 100}, {999, 100}, {-3, 1}};
  EXPECT_EQ(draw({1, 2, 0}, sampling), 2);
  sampling.logit_bias = {{1, -100}};
  EXPECT_EQ(draw({1, 2, 0}, sampling), 0);
}

TEST(Sampler, GivesNaturalLogProbabilitiesOfTheModelsOwnDistribution) {
  Sampling sampling = greedy();
  sampling.logprobs = 2;
  sampling.logit_bias = {{0, 100}};
  const std::vector<float> logits{std::log(0.2f), std::log(0.7f), std::log(0.1f)};
  DrawScratch scratch;
  const auto drawn = draw_token(logits, sampling, {}, scratch);
  ASSERT_TRUE(drawn);
  EXPECT_EQ(drawn->id, 0);
  EXPECT_NEAR(drawn->logprob, std::log(0.2), 1e-5);
  ASSERT_EQ(drawn->top.size(), 2u);
  EXPECT_EQ(drawn->top[0].first, 1);
  EXPECT_NEAR(drawn->top[0].second, std::log(0.7), 1e-5);
  EXPECT_EQ(drawn->top[1].first, 0);
}

TEST(Sampler, RefusesLogitsThatAreNotNumbers) {
  DrawScratch scratch;
  for (const float bad : {std::nanf(""), kInfinity}) {
    const auto drawn = draw_token(std::vector<float>{0, bad}, {}, {}, scratch);
    ASSERT_FALSE(drawn);
    EXPECT_EQ(drawn.error().code, Code::kDataLoss);
  }
  EXPECT_FALSE(draw_token(std::vector<float>{-kInfinity, -kInfinity}, {}, {}, scratch));
}

TEST(Sampler, NeverDrawsATokenOfProbabilityZero) {
  EXPECT_EQ(counts({-kInfinity, 0, -kInfinity}, {}, 300).size(), 1u);
  Sampling sampling;
  sampling.top_k = 3;
  EXPECT_EQ(counts({-kInfinity, 0, -kInfinity}, sampling, 300).size(), 1u);
}

}  // namespace
}  // namespace serin::engine
