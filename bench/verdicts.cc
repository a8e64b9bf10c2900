// SPDX-License-Identifier: Apache-2.0
// How often verdicts are wrong and how soon they come, world by world. A line a cell; exit 1 when a
// cell does not keep what it promises.
//
// verdicts [--runs N] [--seed S] [--threads T] [--quick] [--others] [CELL…]
//   --quick   shorter rollouts, for tests
//   --others  Flagger's and Argo Rollouts' rules on the same traffic, too
//   CELL      the cells whose name begins so; every one when none is named
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>
#include <thread>
#include <vector>

#include "rollout/simulate/rehearsal.h"

namespace serin::rollout {
namespace {

// Of the manifest's defaults (docs/schema/generative-service.json).
AnalysisSpec analysis_of(bool safe_alone) {
  AnalysisSpec spec{.metrics = {
                        {"errorRate", MetricKind::kErrorRate, 0.95, 0.002, 0},
                        {"latency", MetricKind::kLatency, 0.95, 0.2, 0.1},
                        {"timeToFirstToken", MetricKind::kTimeToFirstToken, 0.95, 0.2, 0.1},
                        {"timePerOutputToken", MetricKind::kTimePerOutputToken, 0.95, 0.2, 0.1},
                        {"quality", MetricKind::kScore, 0.95, 0.02, 0.01},
                        {"crashes", MetricKind::kCrashes, 0.95, 0, 0},
                    }};
  for (MetricSpec& metric : spec.metrics) {
    if (safe_alone) metric.harm_margin = metric.margin;
  }
  return spec;
}
constexpr double kFalseRollback = 0.01;
constexpr double kFalsePromotion = 0.05;
// The rate of errors' part of falseRollback among the six metrics (analysis.h).
constexpr double kErrorShare = kFalseRollback * 3 / 8;

// What is true of the candidate: what its cell promises depends on it.
enum class Truth : std::uint8_t {
  kNoHarm,    // worse by at most harmMargin: at most falseRollback are rolled back
  kAtMargin,  // worse by the margin of one metric: at most falsePromotion are promoted
  kHarmful,
};

struct Cell {
  std::string name;
  Truth truth = Truth::kNoHarm;
  World world;
  double horizon = 3600;     // seconds
  double quick = 0;          // the same with --quick; 0: left out there
  double interval = 120;     // seconds between steps; a part of it with --quick
  bool independent = false;  // then the guarantee is never withdrawn
  bool safe_alone = false;   // harmMargin is margin: nothing but the safe test decides
  // Power, of the whole horizon alone: never deciding is no way to pass.
  double promoted = 0;   // at least this part
  double found_p95 = 0;  // seconds: 95 % are rolled back by then
  // The mean of requests until then, in times of wald_requests(); besides one look's requests.
  double times_wald = 0;
};

World world(double rate, double stable, double candidate) {
  World made;
  made.rate = rate;
  made.stable.error_rate = stable;
  made.candidate.error_rate = candidate;
  return made;
}

World bursts(World made, double burst) {
  made.stable.burst = made.candidate.burst = burst;
  return made;
}

World users(World made, std::uint64_t count, double zipf, double bad) {
  made.users = count;
  made.zipf = zipf;
  made.bad_users = bad;
  return made;
}

World times(World made, double latency, double quality) {
  made.candidate.latency *= latency;
  made.candidate.quality = quality;
  return made;
}

std::vector<Cell> healthy_cells() {
  World incident = world(200, 0.002, 0.002);
  incident.incident_every = 600;
  World slow_incident = incident;
  slow_incident.rate = 20;
  World quick_incident = incident;
  quick_incident.incident_every = 60;
  quick_incident.incident_length = 20;
  World drift = world(20, 0.003, 0.003);
  drift.drift = 10;
  World cold = world(20, 0.002, 0.002);
  cold.candidate.cold_requests = 50;
  cold.candidate.workers = 4;
  // Times 10 % longer and scores lower by 0.01 on average.
  const World at_harm = times(world(200, 0.001, 0.001), 1.1, 0.93);
  return {
      {.name = "independent@20",
       .world = world(20, 0.005, 0.005),
       .horizon = 10'800,
       .quick = 750,
       .independent = true,
       .promoted = 0.1},
      {.name = "independent@200",
       .world = world(200, 0.005, 0.005),
       .horizon = 2400,
       .quick = 75,
       .independent = true,
       .promoted = 0.8},
      {.name = "few-errors@200",
       .world = world(200, 0.001, 0.001),
       .horizon = 2400,
       .quick = 75,
       .independent = true,
       .promoted = 0.8},
      {.name = "bursts-2@20",
       .world = bursts(world(20, 0.005, 0.005), 2),
       .horizon = 10'800,
       .quick = 750},
      {.name = "bursts-5@20",
       .world = bursts(world(20, 0.005, 0.005), 5),
       .horizon = 10'800,
       .quick = 750},
      {.name = "bursts-20@20",
       .world = bursts(world(20, 0.005, 0.005), 20),
       .horizon = 10'800,
       .quick = 750},
      {.name = "bursts-2@200",
       .world = bursts(world(200, 0.005, 0.005), 2),
       .horizon = 2400,
       .quick = 75},
      {.name = "bursts-5@200",
       .world = bursts(world(200, 0.005, 0.005), 5),
       .horizon = 2400,
       .quick = 75},
      {.name = "bursts-20@200",
       .world = bursts(world(200, 0.005, 0.005), 20),
       .horizon = 2400,
       .quick = 75},
      {.name = "incidents@20", .world = slow_incident, .horizon = 10'800, .quick = 750},
      {.name = "incidents@200", .world = incident, .horizon = 2400, .quick = 75, .promoted = 0.5},
      {.name = "short-incidents@200", .world = quick_incident, .horizon = 2400, .quick = 75},
      {.name = "drift@20", .world = drift, .horizon = 3600, .quick = 750, .independent = true},
      {.name = "low-traffic@2",
       .world = world(2, 0.005, 0.005),
       .horizon = 43'200,
       .quick = 7200,
       .independent = true},
      {.name = "bad-users@20",
       .world = users(world(20, 0.002, 0.002), 1000, 0, 0.02),
       .horizon = 10'800,
       .quick = 750,
       .promoted = 0.1},
      {.name = "zipf-users@200",
       .world = users(world(200, 0.005, 0.005), 10'000, 1.1, 0),
       .horizon = 2400,
       .quick = 75,
       .promoted = 0.1},
      {.name = "zipf-bad-users@200",
       .world = users(world(200, 0.005, 0.005), 10'000, 1.1, 0.02),
       .horizon = 2400,
       .quick = 75},
      {.name = "cold@20", .world = cold, .horizon = 10'800, .quick = 750, .independent = true},
      {.name = "at-harm-margin@200",
       .world = at_harm,
       .horizon = 2400,
       .quick = 75,
       .independent = true},
  };
}

std::vector<Cell> margin_cells() {
  const auto cell = [](std::string name, const World& made, bool independent = false) {
    return Cell{.name = "margin-" + std::move(name),
                .truth = Truth::kAtMargin,
                .world = made,
                .horizon = 3600,
                .independent = independent};
  };
  World incident = world(200, 0.002, 0.004);
  incident.incident_every = 600;
  // The default margins roll these back before they could be promoted. So that promotions are put
  // to the test, too, harm is what is worse than the margin.
  const auto alone = [&](std::string name, const World& made) {
    Cell one = cell("alone-" + std::move(name), made);
    one.safe_alone = true;
    one.quick = 100;
    return one;
  };
  return {
      cell("errors@200", world(200, 0.005, 0.007), true),
      cell("few-errors@200", world(200, 0.001, 0.003), true),
      cell("latency@200", times(world(200, 0.001, 0.001), 1.2, 0.95), true),
      cell("quality@200", times(world(200, 0.001, 0.001), 1, 0.91), true),
      cell("bursts-2@200", bursts(world(200, 0.005, 0.007), 2)),
      cell("bursts-5@200", bursts(world(200, 0.005, 0.007), 5)),
      cell("bursts-20@200", bursts(world(200, 0.005, 0.007), 20)),
      cell("bad-users@200", users(world(200, 0.002, 0.004), 1000, 0, 0.02)),
      cell("zipf-bad-users@200", users(world(200, 0.005, 0.007), 10'000, 1.1, 0.02)),
      cell("incidents@200", incident),
      alone("few-errors@200", world(200, 0.001, 0.003)),
      alone("bursts-5@200", bursts(world(200, 0.001, 0.003), 5)),
      alone("bursts-20@200", bursts(world(200, 0.005, 0.007), 20)),
      alone("bad-users@200", users(world(200, 0.001, 0.003), 1000, 0, 0.02)),
      alone("zipf-bad-users@200", users(world(200, 0.001, 0.003), 10'000, 1.1, 0.02)),
      alone("incidents@200", incident),
      alone("latency@200", times(world(200, 0.001, 0.001), 1.2, 0.95)),
      alone("quality@200", times(world(200, 0.001, 0.001), 1, 0.91)),
  };
}

std::vector<Cell> harm_cells() {
  const auto cell = [](std::string name, const World& made, double horizon, double p95,
                       double times_wald = 0) {
    return Cell{.name = "harm-" + std::move(name),
                .truth = Truth::kHarmful,
                .world = made,
                .horizon = horizon,
                .quick = horizon,
                .interval = 1e6,  // the weight stays 10 %
                .found_p95 = p95,
                .times_wald = times_wald};
  };
  World hangs = world(200, 0.001, 0.001);
  hangs.candidate.hang_rate = 0.3;
  hangs.deadline = 5;
  return {
      cell("30%@200", world(200, 0.001, 0.3), 60, 3, 2),
      cell("30%@20", world(20, 0.001, 0.3), 300, 20, 2),
      cell("all@200", world(200, 0.001, 1), 60, 10),
      cell("all@20", world(20, 0.001, 1), 300, 90),
      cell("5%@200", world(200, 0.005, 0.05), 300, 30, 2),
      cell("0.5%@200", world(200, 0.001, 0.005), 1200, 300, 2),
      cell("1%@20", world(20, 0.001, 0.01), 6000, 1500, 2),
      cell("30%@2", world(2, 0.001, 0.3), 3000, 200, 2),
      cell("hangs@200", hangs, 60, 15),
      cell("30%-slower@200", times(world(200, 0.001, 0.001), 1.3, 0.95), 600, 120),
      cell("worse-scores@200", times(world(200, 0.001, 0.001), 1, 0.8), 600, 60),
      cell("1%-bursts-5@200", bursts(world(200, 0.001, 0.01), 5), 1200, 600),
      cell("2%-bad-users@200", users(world(200, 0.002, 0.02), 1000, 0, 0.02), 600, 120),
  };
}

struct Options {
  int runs = 1000;
  std::uint64_t seed = 1;
  int threads = 1;
  bool quick = false;
  bool others = false;
  std::vector<std::string> cells;
};

// Whether `events` in `runs` are no proof, beyond three standard errors, that they have more than
// `rate`.
bool within(int events, int runs, double rate) {
  return events <= runs * rate + 3 * std::sqrt(runs * rate * (1 - rate));
}

// How many requests it took on average, less those of one look, in times of Wald's test.
double times_wald(const Cell& cell, const Tally& tally) {
  const double look = cell.world.rate * Traffic::kTick;
  return (mean_of(tally.rolled_back_requests) - look) /
         wald_requests(cell.world.stable.error_rate, cell.world.candidate.error_rate, 0.1,
                       kErrorShare);
}

// What the cell promised and did not keep; empty when it kept all.
std::string broken(const Cell& cell, const Tally& tally, bool quick) {
  std::string all;
  const auto say = [&](const std::string& what) { all += (all.empty() ? "" : ", ") + what; };
  if (cell.truth == Truth::kNoHarm && !within(tally.rolled_back, tally.runs, kFalseRollback))
    say("false rollbacks");
  if (cell.truth == Truth::kAtMargin && !within(tally.promoted, tally.runs, kFalsePromotion))
    say("false promotions");
  if (cell.independent && tally.withdrawn > 0) say("withdrawn");
  if (cell.promoted > 0 && !quick && tally.promoted < cell.promoted * tally.runs)
    say("too few promoted");
  if (cell.truth != Truth::kHarmful) return all;
  if (tally.rolled_back < 0.95 * tally.runs ||
      sorted_quantile(tally.rolled_back_after, 0.95 * tally.runs / tally.rolled_back) >
          cell.found_p95)
    say("found late");
  if (cell.times_wald > 0 && times_wald(cell, tally) > cell.times_wald)
    say("slower than " + std::to_string(cell.times_wald) + " times Wald's");
  return all;
}

void print(const Cell& cell, const char* rule, const Tally& tally, const std::string& verdict) {
  const auto percent = [&](int events) {
    const Interval interval = wilson(events, tally.runs);
    char text[64];
    std::snprintf(text, sizeof text, "%5.2f %% (%.2f-%.2f)", 100.0 * events / tally.runs,
                  100 * interval.low, 100 * interval.high);
    return std::string(text);
  };
  std::printf("%-26s %-8s back %-21s %5.0f %5.0f s  promoted %-21s %5.0f s  withdrawn %5.2f %%  %s",
              cell.name.c_str(), rule, percent(tally.rolled_back).c_str(),
              sorted_quantile(tally.rolled_back_after, 0.5),
              sorted_quantile(tally.rolled_back_after, 0.95), percent(tally.promoted).c_str(),
              sorted_quantile(tally.promoted_after, 0.5), 100.0 * tally.withdrawn / tally.runs,
              verdict.c_str());
  if (cell.times_wald > 0) {
    std::printf("  %.2f times Wald's", times_wald(cell, tally));
  }
  std::printf("\n");
  std::fflush(stdout);
}

bool run(const Cell& cell, const Options& options) {
  // A 95th percentile needs fewer runs than a rate of one in a hundred.
  const int runs = options.quick && cell.truth == Truth::kHarmful ? options.runs / 4 : options.runs;
  const CanarySpec canary{.interval = Seconds(options.quick ? cell.interval / 24 : cell.interval),
                          .hold_limit = Seconds(1e9)};
  const Rehearsal rehearsal{.world = cell.world,
                            .horizon = options.quick ? cell.quick : cell.horizon,
                            .runs = runs,
                            .seed = options.seed,
                            .threads = options.threads};
  const Tally ours = rehearse(rehearsal, [&](std::span<const Request> history) {
    return serin_rule(canary, analysis_of(cell.safe_alone), history);
  });
  const std::string missing = broken(cell, ours, options.quick);
  print(cell, "serin", ours, missing.empty() ? "kept" : "BROKEN: " + missing);
  if (options.others) {
    print(cell, "flagger", rehearse(rehearsal, [](auto) { return flagger_rule({}); }), "");
    print(cell, "argo", rehearse(rehearsal, [](auto) { return argo_rule({}); }), "");
  }
  return missing.empty();
}

Options parse(int count, char** words) {
  Options options;
  options.threads = static_cast<int>(std::thread::hardware_concurrency());
  for (int i = 1; i < count; ++i) {
    const std::string word = words[i];
    const auto number = [&] { return i + 1 < count ? std::atoll(words[++i]) : 0; };
    if (word == "--runs") {
      options.runs = static_cast<int>(number());
    } else if (word == "--seed") {
      options.seed = static_cast<std::uint64_t>(number());
    } else if (word == "--threads") {
      options.threads = static_cast<int>(number());
    } else if (word == "--quick") {
      options.quick = true;
    } else if (word == "--others") {
      options.others = true;
    } else {
      options.cells.push_back(word);
    }
  }
  return options;
}

}  // namespace
}  // namespace serin::rollout

int main(int count, char** words) {
  using namespace serin::rollout;
  const Options options = parse(count, words);
  bool kept = true;
  for (const auto& cells : {healthy_cells(), margin_cells(), harm_cells()}) {
    for (const Cell& cell : cells) {
      bool named = options.cells.empty();
      for (const std::string& name : options.cells) named = named || cell.name.starts_with(name);
      if (options.quick && cell.quick == 0) continue;
      if (named) kept = run(cell, options) && kept;
    }
  }
  return kept ? 0 : 1;
}
