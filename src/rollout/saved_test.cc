// SPDX-License-Identifier: Apache-2.0
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/digest.h"
#include "base/files.h"
#include "rollout/analysis.h"
#include "rollout/simulate/world.h"

namespace serin::rollout {
namespace {

AnalysisSpec spec() {
  return {.metrics = {
              {.name = "errorRate", .kind = MetricKind::kErrorRate, .margin = 0.002},
              {.name = "latency", .kind = MetricKind::kLatency, .margin = 0.2, .harm_margin = 0.1},
              {.name = "quality", .kind = MetricKind::kScore, .margin = 0.02},
              {.name = "crashes", .kind = MetricKind::kCrashes},
              {.name = "feedback", .kind = MetricKind::kRating, .margin = 0.02},
              {.name = "judge", .kind = MetricKind::kLateScore, .margin = 0.02}}};
}

World busy_world(bool users) {
  World world;
  world.rate = 40;
  world.stable.error_rate = world.candidate.error_rate = 0.02;
  world.stable.burst = world.candidate.burst = 3;
  world.stable.workers = world.candidate.workers = 3;
  world.users = users ? 50 : 0;
  world.zipf = 1;
  return world;
}

// Goes on with what `traffic` gives, for so many ticks.
void go_on(Analysis& analysis, Traffic& traffic, int ticks) {
  for (int i = 0; i < ticks; ++i) {
    for (const Request& request : traffic.next(0.3)) {
      analysis.add(request);
      // Some rate, of them some again.
      const auto user = static_cast<std::uint64_t>(i) / 5 % 60 + 1;
      if (request.worker == 1 || i % 3 == 0)
        analysis.add_rating({.arm = request.arm, .weight = 0.3, .key = user, .score = 0.25});
      if (i % 4 == 0)
        analysis.add_late_score(
            0, {.arm = request.arm, .weight = 0.3, .key = request.key, .score = 0.1 * (i % 10)});
    }
    if (i % 7 == 0) analysis.add_crash(i % 2 == 0 ? Arm::kStable : Arm::kCandidate, 0.3);
    analysis.close_block(traffic.now());
  }
}

TEST(SavedAnalysis, GoesOnAsIfItHadNotBeenInterruptedWhereverThatWas) {
  for (const bool users : {false, true}) {
    for (const int cut : {0, 1, 13, 100, 399}) {
      Traffic traffic(busy_world(users), 5);
      Analysis whole(spec(), traffic.history());
      go_on(whole, traffic, cut);
      auto loaded = Analysis::load(spec(), whole.save());
      ASSERT_TRUE(loaded.has_value()) << loaded.error().message;
      EXPECT_EQ(loaded->save(), whole.save());
      // Between two blocks, with requests waiting.
      const auto ended = traffic.next(0.3);
      for (const Request& request : ended) whole.add(request);
      for (const Request& request : ended) loaded->add(request);
      loaded = Analysis::load(spec(), loaded->save());
      ASSERT_TRUE(loaded.has_value());
      Traffic same = traffic;
      go_on(whole, traffic, 400 - cut);
      go_on(*loaded, same, 400 - cut);
      EXPECT_EQ(loaded->save(), whole.save()) << cut;
      const AnalysisReport one = whole.report();
      const AnalysisReport other = loaded->report();
      ASSERT_EQ(one.metrics.size(), other.metrics.size());
      EXPECT_GT(one.requests, 1000u);
      for (std::size_t i = 0; i < one.metrics.size(); ++i) {
        EXPECT_EQ(one.metrics[i].evidence.harm, other.metrics[i].evidence.harm);
        EXPECT_EQ(one.metrics[i].evidence.safe, other.metrics[i].evidence.safe);
      }
    }
  }
}

TEST(SavedAnalysis, IsRefusedWhenItIsNotWhatWasSaved) {
  Traffic traffic(busy_world(true), 6);
  Analysis analysis(spec(), traffic.history());
  go_on(analysis, traffic, 50);
  const std::string saved = analysis.save();
  EXPECT_FALSE(Analysis::load(spec(), "").has_value());
  for (std::size_t size = 0; size < saved.size(); size += 97)
    EXPECT_FALSE(Analysis::load(spec(), saved.substr(0, size)).has_value()) << size;
  for (std::size_t at = 0; at < saved.size(); at += 101) {
    std::string broken = saved;
    broken[at] = static_cast<char>(broken[at] ^ 4);
    const auto loaded = Analysis::load(spec(), broken);
    ASSERT_FALSE(loaded.has_value()) << at;
    EXPECT_EQ(loaded.error().code, Code::kInvalidArgument);
  }
}

TEST(SavedAnalysis, IsRefusedWhenItsContentsCannotBeEvenIfItsDigestIsRight) {
  Traffic traffic(busy_world(true), 6);
  Analysis analysis(spec(), traffic.history());
  go_on(analysis, traffic, 50);
  std::string saved = analysis.save();
  saved.resize(saved.size() - 64);
  const auto signed_anew = [](std::string body) {
    body += sha256_hex(body);
    return body;
  };
  EXPECT_TRUE(Analysis::load(spec(), signed_anew(saved)).has_value());
  EXPECT_FALSE(Analysis::load(spec(), signed_anew(saved + "x")).has_value());
  EXPECT_FALSE(Analysis::load(spec(), signed_anew(saved.substr(0, saved.size() - 1))).has_value());
}

TEST(SavedAnalysis, IsOfOneSpecification) {
  const std::string saved = Analysis(spec(), {}).save();
  AnalysisSpec other = spec();
  other.metrics[0].margin = 0.003;
  const auto loaded = Analysis::load(other, saved);
  ASSERT_FALSE(loaded.has_value());
  EXPECT_EQ(loaded.error().code, Code::kFailedPrecondition);
}

// Two that were saved before there were ratings: what lies here for the fuzz target, signed.
TEST(SavedAnalysis, OfAnEarlierProgramIsGoneOnWithAndSavedTheSame) {
  const AnalysisSpec before{
      .metrics = {{.name = "errorRate", .kind = MetricKind::kErrorRate, .margin = 0.002},
                  {.name = "latency", .kind = MetricKind::kLatency, .margin = 0.2},
                  {.name = "quality", .kind = MetricKind::kScore, .margin = 0.02},
                  {.name = "crashes", .kind = MetricKind::kCrashes}}};
  for (const char* name : {"requests", "users"}) {
    std::string saved = *read_file(std::filesystem::path(SERIN_CORPUS) / "analysis_fuzz" / name);
    saved += sha256_hex(saved);
    const auto loaded = Analysis::load(before, saved);
    ASSERT_TRUE(loaded.has_value()) << loaded.error().message;
    EXPECT_EQ(loaded->save(), saved);
    EXPECT_GT(loaded->report().requests, 0u);
  }
}

TEST(SavedAnalysis, IsBoundedHoweverManyKeysAndWorkersThereAre) {
  Analysis analysis(spec(), {});
  for (std::uint64_t i = 1; i <= 400'000; ++i) {
    Request request;
    request.key = i * 0x9e3779b97f4a7c15;
    request.worker = static_cast<std::uint32_t>(i);
    request.weight = 0.5;
    request.arm = i % 2 == 0 ? Arm::kStable : Arm::kCandidate;
    analysis.add(request);
    if (i % 1000 == 0) analysis.close_block(1);
  }
  const std::string saved = analysis.save();
  EXPECT_LT(saved.size(), 18 * KeyTable::kCapacity + 100'000);
  EXPECT_TRUE(Analysis::load(spec(), saved).has_value());
}

TEST(Analysis, CountsWhatWaitsWhenItIsTooMuch) {
  Analysis analysis(spec(), {});
  for (std::size_t i = 0; i <= Analysis::kMostWaiting; ++i) analysis.add({});
  EXPECT_EQ(analysis.report().requests, Analysis::kMostWaiting);
}

TEST(WorkerTable, GivesThePlaceOfTheOneThatWasQuietTheLongest) {
  WorkerTable workers;
  for (std::uint32_t i = 0; i < WorkerTable::kMost; ++i) EXPECT_EQ(workers.see(i).index, i);
  EXPECT_EQ(workers.see(0).requests, 2u);
  const auto place = workers.see(5000);
  EXPECT_TRUE(place.is_new);
  EXPECT_EQ(place.index, 1u) << "worker 1's";
  EXPECT_EQ(place.requests, 1u);
  EXPECT_TRUE(workers.see(1).is_new);
  EXPECT_FALSE(workers.see(0).is_new);
}

}  // namespace
}  // namespace serin::rollout
