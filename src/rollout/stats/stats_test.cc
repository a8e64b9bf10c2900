// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include <cmath>
#include <random>

#include "rollout/stats/dispersion.h"
#include "rollout/stats/mean_test.h"
#include "rollout/stats/quantile_sketch.h"
#include "rollout/stats/rate_test.h"
#include "rollout/stats/share_test.h"

namespace serin::rollout {
namespace {

std::uint64_t binomial(std::mt19937_64& dice, std::uint64_t n, double p) {
  return std::binomial_distribution<std::uint64_t>(n, p)(dice);
}

// The mean of exp(log_e) over every outcome of one block under rates p and q, exactly.
double expectation(Side side, double margin, Trials past, std::uint64_t n0, double p,
                   std::uint64_t n1, double q) {
  const auto probability = [](std::uint64_t n, std::uint64_t k, double rate) {
    const auto nn = static_cast<double>(n);
    const auto kk = static_cast<double>(k);
    return std::exp(std::lgamma(nn + 1) - std::lgamma(kk + 1) - std::lgamma(nn - kk + 1) +
                    kk * std::log(rate) + (nn - kk) * std::log1p(-rate));
  };
  double sum = 0;
  for (std::uint64_t k0 = 0; k0 <= n0; ++k0) {
    for (std::uint64_t k1 = 0; k1 <= n1; ++k1) {
      RateTest test(side, margin);
      test.seed(past);
      test.add_block({n0, k0}, {n1, k1});
      sum += probability(n0, k0, p) * probability(n1, k1, q) * std::exp(test.log_e());
    }
  }
  return sum;
}

TEST(RateTest, ExpectsAtMostOneUnderEveryRateOfTheNullWhateverWasGuessed) {
  for (const Trials past : {Trials{0, 0}, Trials{2000, 2}, Trials{100, 40}}) {
    for (const double p : {0.001, 0.02, 0.3, 0.7}) {
      for (const double margin : {0.0, 0.002, 0.1}) {
        for (const double below : {0.0, 0.01}) {
          const double harm = std::max(1e-4, p + margin - below);
          EXPECT_LE(expectation(Side::kHarm, margin, past, 9, p, 3, harm), 1 + 1e-9)
              << past.events << " " << p << " " << margin;
          const double safe = std::min(0.999, p + margin + below);
          EXPECT_LE(expectation(Side::kSafe, margin, past, 9, p, 3, safe), 1 + 1e-9)
              << past.events << " " << p << " " << margin;
        }
      }
    }
  }
}

TEST(RateTest, GrowsUnderTheAlternativeAndOnlyThere) {
  EXPECT_GT(expectation(Side::kHarm, 0, {2000, 2}, 9, 0.001, 3, 0.3), 2);
  EXPECT_GT(expectation(Side::kSafe, 0.1, {2000, 2}, 30, 0.001, 10, 0.001), 1.2);
}

TEST(RateTest, OneArmAloneProvesNothing) {
  RateTest test(Side::kHarm, 0);
  test.add_block({100, 50}, {0, 0});
  test.add_block({0, 0}, {100, 50});
  EXPECT_DOUBLE_EQ(test.log_e(), 0);
}

TEST(RateTest, FindsAFewPerMilleInTheNumberOfRequestsThatTheoryExpects) {
  // ln(1/alpha)/g for 0.1 % against 0.5 % at a tenth of the traffic and alpha 0.01: 13,772
  // requests; the mixture costs ln(8) more, and guesses that are not quite right a little.
  std::mt19937_64 dice(1);
  double sum = 0;
  constexpr int kRuns = 200;
  for (int run = 0; run < kRuns; ++run) {
    RateTest test(Side::kHarm, 0);
    test.seed({2000, binomial(dice, 2000, 0.001)});
    double requests = 0;
    while (test.log_e() < std::log(100) && requests < 200'000) {
      test.add_block({180, binomial(dice, 180, 0.001)}, {20, binomial(dice, 20, 0.005)});
      requests += 200;
    }
    sum += requests;
  }
  EXPECT_LT(sum / kRuns, 2 * 13'772);
  EXPECT_GT(sum / kRuns, 13'772 / 2);
}

TEST(RateTest, SeldomBlamesACandidateThatIsNoWorseHoweverOftenOneLooks) {
  std::mt19937_64 dice(2);
  int blamed = 0;
  constexpr int kRuns = 2000;
  for (int run = 0; run < kRuns; ++run) {
    RateTest test(Side::kHarm, 0);
    test.seed({2000, binomial(dice, 2000, 0.005)});
    for (int block = 0; block < 300; ++block) {
      const double shared = block % 50 < 5 ? 0.05 : 0.005;  // trouble that both arms have
      test.add_block({90, binomial(dice, 90, shared)}, {10, binomial(dice, 10, shared)});
      if (test.log_e() < std::log(20)) continue;
      ++blamed;
      break;
    }
  }
  EXPECT_LE(blamed, kRuns * 0.05 + 3 * std::sqrt(kRuns * 0.05 * 0.95));
}

TEST(Project, LiesOnTheBorderBetweenTheGuesses) {
  EXPECT_DOUBLE_EQ(project(0.1, 9, 0.3, 1, 0), 0.12);
  const double at = project(0.1, 9, 0.4, 1, 0.05);
  EXPECT_GT(at, 0.1);
  EXPECT_LT(at + 0.05, 0.4);
  // The derivative vanishes there.
  const double b = at + 0.05;
  EXPECT_NEAR(9 * (at - 0.1) / (at * (1 - at)) + (b - 0.4) / (b * (1 - b)), 0, 1e-6);
}

TEST(ShareTest, ExpectsExactlyOneWhenTheCandidateHasItsShare) {
  for (const double share : {0.01, 0.1, 0.5, 0.9}) {
    for (const auto null : {ShareTest::Null::kNoMore, ShareTest::Null::kEqual}) {
      ShareTest own(null);
      ShareTest others(null);
      own.add(true, share);
      others.add(false, share);
      EXPECT_NEAR(share * std::exp(own.log_e()) + (1 - share) * std::exp(others.log_e()), 1, 1e-12);
    }
  }
}

TEST(ShareTest, FindsOneThatCrashesAndASplitThatIsNot) {
  ShareTest crashes(ShareTest::Null::kNoMore);
  for (int i = 0; i < 6; ++i) crashes.add(true, 0.1);
  EXPECT_GT(crashes.log_e(), std::log(1000));
  ShareTest split(ShareTest::Null::kEqual);
  for (int i = 0; i < 2000; ++i) split.add(i % 20 == 0, 0.1);  // half of what was asked
  EXPECT_GT(split.log_e(), std::log(1000));
  ShareTest right(ShareTest::Null::kEqual);
  for (int i = 0; i < 2000; ++i) right.add(i % 10 == 0, 0.1);
  EXPECT_LT(right.log_e(), 0);
}

TEST(MeanTest, SeldomBlamesAnEqualAndSoonFindsAWorse) {
  std::mt19937_64 dice(3);
  std::uniform_real_distribution<double> uniform;
  const auto scores = [&](std::size_t n, double good) {
    std::vector<double> all(n);
    for (double& score : all) score = uniform(dice) < good ? 1 : uniform(dice) / 2;
    return all;
  };
  int blamed = 0;
  int found = 0;
  int promoted = 0;
  constexpr int kRuns = 1000;
  for (int run = 0; run < kRuns; ++run) {
    MeanTest equal(Side::kHarm, 0);
    MeanTest worse(Side::kHarm, 0);
    MeanTest at_margin(Side::kSafe, 0.075);  // ten in a hundred worse by 0.75: just the margin
    bool was_blamed = false;
    bool was_promoted = false;
    for (int block = 0; block < 100; ++block) {
      const auto stable = scores(18, 0.9);
      equal.add_block(stable, scores(2, 0.9));
      worse.add_block(stable, scores(2, 0.6));
      at_margin.add_block(stable, scores(2, 0.8));
      was_blamed = was_blamed || equal.log_e() >= std::log(20);
      was_promoted = was_promoted || at_margin.log_e() >= std::log(20);
    }
    blamed += was_blamed ? 1 : 0;
    promoted += was_promoted ? 1 : 0;
    found += worse.log_e() >= std::log(20) ? 1 : 0;
  }
  EXPECT_LE(blamed, kRuns * 0.05 + 3 * std::sqrt(kRuns * 0.05));
  EXPECT_LE(promoted, kRuns * 0.05 + 3 * std::sqrt(kRuns * 0.05));
  EXPECT_GE(found, kRuns * 0.95);
}

TEST(QuantileSketch, IsOffByAtMostOnePercent) {
  QuantileSketch sketch;
  EXPECT_EQ(sketch.quantile(0.5), 0);
  for (int i = 1; i <= 10'000; ++i) sketch.add(i * 1e-3);
  for (const double q : {0.01, 0.5, 0.95, 0.99})
    EXPECT_NEAR(sketch.quantile(q), q * 10, q * 10 * 0.0101) << q;
}

TEST(QuantileSketch, TakesEveryNumber) {
  QuantileSketch sketch;
  for (const double value : {0.0, -1.0, std::numeric_limits<double>::infinity(), std::nan("")})
    sketch.add(value);
  EXPECT_EQ(sketch.count(), 4u);
  EXPECT_NEAR(sketch.quantile(0.25), QuantileSketch::kLeast, 1e-7);
  EXPECT_GT(sketch.quantile(0.99), 0.9 * QuantileSketch::kMost);
}

TEST(RunLengths, AreOneForIndependentEventsAndTheLengthForBursts) {
  std::mt19937_64 dice(4);
  for (const double rate : {0.01, 0.3}) {
    RunLengths runs;
    std::uint64_t run = 0;
    for (int i = 0; i < 100'000; ++i) {
      const bool event = std::bernoulli_distribution(rate)(dice);
      if (!event && run > 0) runs.add_run(run);
      run = event ? run + 1 : 0;
    }
    runs.add_trials(100'000);
    EXPECT_NEAR(runs.factor(), 1, 0.05) << rate;
  }
  RunLengths bursts;
  for (int i = 0; i < 1000; ++i) bursts.add_run(20);
  bursts.add_trials(1'000'000);
  EXPECT_NEAR(bursts.factor(), 20, 1);
  EXPECT_NEAR(RunLengths().factor(), 3, 1e-9) << "no data is no proof of independence";
}

TEST(TimeDispersion, IsOneForIndependentEventsEvenAsTheirRateDriftsSlowly) {
  std::mt19937_64 dice(5);
  int above = 0;
  for (int run = 0; run < 200; ++run) {
    TimeDispersion dispersion;
    for (int block = 0; block < 3600; ++block) {
      const double rate = 0.005 * (1 + 0.3 * std::sin(block / 1000.0));
      dispersion.add_block({200, binomial(dice, 200, rate)});
    }
    above += dispersion.factor() > 1.2 ? 1 : 0;
  }
  EXPECT_LE(above, 4);
}

TEST(TimeDispersion, SeesTimesOfTrouble) {
  std::mt19937_64 dice(6);
  TimeDispersion dispersion;
  for (int block = 0; block < 3600; ++block)
    dispersion.add_block({200, binomial(dice, 200, block % 300 < 10 ? 0.1 : 0.005)});
  EXPECT_GT(dispersion.factor(), 5);
}

}  // namespace
}  // namespace serin::rollout
