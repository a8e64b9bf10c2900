// SPDX-License-Identifier: Apache-2.0
// `serin rollout simulate`: a manifest's rollout in a world, in virtual time, by the code that
// decides real ones; beside other tools' rules on the same traffic.
#include <CLI/CLI.hpp>
#include <cmath>
#include <cstdio>
#include <iostream>
#include <memory>
#include <thread>

#include "base/files.h"
#include "base/json.h"
#include "cli/command.h"
#include "cli/takes.h"
#include "control/schema/manifest.h"
#include "control/schema/world.h"
#include "rollout/simulate/rehearsal.h"

namespace serin::cli {
namespace {

using rollout::Rehearsal;
using rollout::Tally;

constexpr std::size_t kMostFile = std::size_t{4} << 20;
constexpr int kMostRuns = 1'000'000;

struct Line {
  std::string manifest;
  std::string world;
  int runs = 1000;
  std::uint64_t seed = 1;
  bool json = false;
};

struct Row {
  std::string rule;
  Tally tally;
};

// The rate of success that a rule about the candidate alone has to ask for, to mean what the
// manifest means: the stable version's, less the margin of the rate of errors.
double least_success(const control::Manifest& manifest, const rollout::World& world) {
  double margin = 0;
  for (const rollout::MetricSpec& metric : manifest.rollout.analysis.metrics) {
    if (metric.kind == rollout::MetricKind::kErrorRate) margin = metric.margin;
  }
  return std::max(0.0, 1 - world.stable.error_rate - margin);
}

// The manifest's scorers of which a world has to say how they score, and where the analysis finds
// what they said.
struct Scorers {
  std::vector<std::string> names;
  rollout::Scoring scoring;
};

Scorers scorers_of(const control::RolloutSpec& spec) {
  Scorers scorers{.names = {}, .scoring = {.with_answers = {}}};
  const auto place_of = [&](const std::string& name) {
    scorers.names.push_back(name);
    return scorers.names.size();  // the first place is wellFormed's
  };
  for (const std::string& name : spec.scorers)
    scorers.scoring.with_answers.push_back(name == control::kWellFormed ? 0 : place_of(name));
  for (const control::ScorerSpec& scorer : spec.own_scorers)
    scorers.scoring.late.push_back({place_of(scorer.name), scorer.sample});
  return scorers;
}

std::vector<Row> rehearse_all(const control::Manifest& manifest, const Rehearsal& rehearsal,
                              const rollout::Scoring& scoring) {
  const rollout::CanarySpec& canary = manifest.rollout.canary;
  rollout::FlaggerSpec flagger{.least = least_success(manifest, rehearsal.world),
                               .interval = canary.interval,
                               .initial_weight = canary.initial_weight,
                               .step_weight = canary.step_weight,
                               .most_weight = 100 - canary.step_weight};
  flagger.most_weight = std::max(flagger.most_weight, flagger.initial_weight);
  rollout::ArgoSpec argo{.least = flagger.least,
                         .interval = std::min(canary.interval, rollout::Seconds(60)),
                         .step = canary.interval,
                         .weights = {}};
  for (int weight = canary.initial_weight; weight < 100; weight += canary.step_weight)
    argo.weights.push_back(weight);
  std::vector<Row> rows;
  rows.push_back(
      {"serin", rollout::rehearse(rehearsal, [&](std::span<const rollout::Request> history) {
         return rollout::serin_rule(canary, manifest.rollout.analysis, history, scoring);
       })});
  rows.push_back({"Flagger, documented",
                  rollout::rehearse(rehearsal, [](auto) { return rollout::flagger_rule({}); })});
  rows.push_back({"Flagger, this manifest's", rollout::rehearse(rehearsal, [&](auto) {
                    return rollout::flagger_rule(flagger);
                  })});
  rows.push_back({"Argo, documented",
                  rollout::rehearse(rehearsal, [](auto) { return rollout::argo_rule({}); })});
  rows.push_back({"Argo, this manifest's",
                  rollout::rehearse(rehearsal, [&](auto) { return rollout::argo_rule(argo); })});
  return rows;
}

// The errors' part of falseRollback; 0 where they are no metric.
double error_alpha(const control::Manifest& manifest) {
  const rollout::Analysis analysis(manifest.rollout.analysis, {});
  for (const rollout::MetricReport& metric : analysis.verdicts().metrics) {
    if (metric.kind == rollout::MetricKind::kErrorRate) return std::exp(-metric.harm_threshold);
  }
  return 0;
}

std::string printed(const char* format, double value) {
  char text[64];
  std::snprintf(text, sizeof text, format, value);
  return text;
}

std::string percent(int events, int runs) {
  const rollout::Interval interval = rollout::wilson(events, runs);
  return printed("%.2f %%", 100.0 * events / runs) + printed(" (%.2f", 100 * interval.low) +
         printed("-%.2f)", 100 * interval.high);
}

std::string seconds(double value) { return std::isnan(value) ? "-" : printed("%.0f s", value); }

void print_row(const std::vector<std::string>& cells) {
  constexpr int kWidths[] = {26, 25, 25, 25, 11, 8, 10, 8};
  std::string line;
  for (std::size_t i = 0; i < cells.size(); ++i) {
    line += cells[i];
    const auto width = static_cast<std::size_t>(kWidths[i]);
    if (i + 1 < cells.size())
      line += std::string(cells[i].size() < width ? width - cells[i].size() : 1, ' ');
  }
  std::cout << line << "\n";
}

void print_table(const control::Manifest& manifest, const Rehearsal& rehearsal,
                 const std::vector<Row>& rows) {
  const rollout::World& world = rehearsal.world;
  std::cout << rehearsal.runs << " rollouts each, from seed " << rehearsal.seed << ", at "
            << world.rate << " requests a second, for at most "
            << printed("%.0f s", rehearsal.horizon) << "; in brackets 95 % intervals\n\n";
  print_row(
      {"rule", "rolled back", "promoted", "undecided", "back, p50", "p95", "promoted", "bad"});
  for (const Row& row : rows) {
    const Tally& tally = row.tally;
    print_row({row.rule, percent(tally.rolled_back, tally.runs),
               percent(tally.promoted, tally.runs),
               percent(tally.runs - tally.rolled_back - tally.promoted, tally.runs),
               seconds(rollout::sorted_quantile(tally.rolled_back_after, 0.5)),
               seconds(rollout::sorted_quantile(tally.rolled_back_after, 0.95)),
               seconds(rollout::sorted_quantile(tally.promoted_after, 0.5)),
               printed("%.0f", rollout::mean_of(tally.bad))});
  }
  std::cout << "\nbad: failed answers that the candidate gave, on average. Promised: at most "
            << printed("%g %%", 100 * manifest.rollout.analysis.false_rollback)
            << " rolled back where no metric is worse than its harmMargin, at most "
            << printed("%g %%", 100 * manifest.rollout.analysis.false_promotion)
            << " promoted where one is worse by its margin.\n";
  if (rows.front().tally.withdrawn > 0)
    std::cout << "The promise was withdrawn in "
              << percent(rows.front().tally.withdrawn, rows.front().tally.runs)
              << " of serin's rollouts.\n";
  const double limit =
      rollout::wald_requests(world.stable.error_rate, world.candidate.error_rate,
                             manifest.rollout.canary.initial_weight / 100.0, error_alpha(manifest));
  if (std::isfinite(limit))
    std::cout << "Wald's limit for the errors alone, at the initial weight: "
              << printed("%.0f requests", limit) << printed(", %.1f s.\n", limit / world.rate);
}

json::value number_or_null(double value) {
  return std::isfinite(value) ? json::value(value) : json::value(nullptr);
}

json::object share_json(int events, int runs) {
  const rollout::Interval interval = rollout::wilson(events, runs);
  return {{"share", static_cast<double>(events) / runs},
          {"low", interval.low},
          {"high", interval.high}};
}

json::object json_of(const control::Manifest& manifest, const Rehearsal& rehearsal,
                     const std::vector<Row>& rows) {
  json::array rules;
  for (const Row& row : rows) {
    const Tally& tally = row.tally;
    rules.push_back(json::object{
        {"rule", row.rule},
        {"rolledBack", share_json(tally.rolled_back, tally.runs)},
        {"promoted", share_json(tally.promoted, tally.runs)},
        {"withdrawn", share_json(tally.withdrawn, tally.runs)},
        {"rolledBackSeconds",
         {{"p50", number_or_null(rollout::sorted_quantile(tally.rolled_back_after, 0.5))},
          {"p95", number_or_null(rollout::sorted_quantile(tally.rolled_back_after, 0.95))}}},
        {"promotedSeconds",
         {{"p50", number_or_null(rollout::sorted_quantile(tally.promoted_after, 0.5))},
          {"p95", number_or_null(rollout::sorted_quantile(tally.promoted_after, 0.95))}}},
        {"badAnswersMean", number_or_null(rollout::mean_of(tally.bad))}});
  }
  return {{"runs", rehearsal.runs},
          {"seed", rehearsal.seed},
          {"horizonSeconds", rehearsal.horizon},
          {"rules", std::move(rules)},
          {"waldRequests",
           number_or_null(rollout::wald_requests(
               rehearsal.world.stable.error_rate, rehearsal.world.candidate.error_rate,
               manifest.rollout.canary.initial_weight / 100.0, error_alpha(manifest)))}};
}

Status run(const Line& line) {
  SERIN_TRY_ASSIGN(const std::string manifest_text, read_file(line.manifest, kMostFile));
  SERIN_TRY_ASSIGN(const auto manifest, control::read_manifest(manifest_text, line.manifest));
  if (manifest.rollout.strategy != control::Strategy::kCanary)
    return invalid(line.manifest + ": only strategy canary can be rehearsed");
  SERIN_TRY_ASSIGN(const std::string world_text, read_file(line.world, kMostFile));
  Scorers scorers = scorers_of(manifest.rollout);
  SERIN_TRY_ASSIGN(const auto read, control::read_world(world_text, line.world, scorers.names));
  scorers.scoring.rated = read.world.rated;
  const Rehearsal rehearsal{
      .world = read.world,
      .horizon = read.horizon,
      .runs = line.runs,
      .seed = line.seed,
      .threads = static_cast<int>(std::max(1U, std::thread::hardware_concurrency()))};
  const std::vector<Row> rows = rehearse_all(manifest, rehearsal, scorers.scoring);
  if (line.json) {
    std::cout << json::serialize(json_of(manifest, rehearsal, rows)) << "\n";
  } else {
    print_table(manifest, rehearsal, rows);
  }
  return {};
}

}  // namespace

void add_rollout_simulate(CLI::App& rollout, Action& chosen) {
  CLI::App* command = rollout.add_subcommand(
      "simulate", "Rehearse a manifest's rollout in a world, beside other tools' rules");
  const auto line = std::make_shared<Line>();
  takes_file(command->add_option("-f,--file", line->manifest, "The manifest"))->required();
  takes_file(
      command->add_option("--world", line->world, "Traffic and versions (docs/schema/world.json)"))
      ->required();
  takes_between(command->add_option("--runs", line->runs, "So many rollouts"), 1, kMostRuns)
      ->capture_default_str();
  command->add_option("--seed", line->seed, "Of the random numbers")->capture_default_str();
  command->add_flag("--json", line->json, "Print JSON");
  command->callback([line, &chosen] { chosen = [line] { return run(*line); }; });
}

}  // namespace serin::cli
