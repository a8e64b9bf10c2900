// SPDX-License-Identifier: Apache-2.0
// How often verdicts are wrong and how soon they come, world by world, beside other tools' rules on
// the same traffic. Usage: verdicts [RUNS [SEED [WORLD…]]]
#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>
#include <vector>

#include "rollout/simulate/simulation.h"

namespace serin::rollout {
namespace {

struct Cell {
  std::string name;
  World world;
  double horizon = 3600;
};

AnalysisSpec default_analysis() {
  return {.metrics = {
              {"errorRate", MetricKind::kErrorRate, 0.95, 0.002, 0},
              {"latency", MetricKind::kLatency, 0.95, 0.2, 0.1},
              {"timeToFirstToken", MetricKind::kTimeToFirstToken, 0.95, 0.2, 0.1},
              {"timePerOutputToken", MetricKind::kTimePerOutputToken, 0.95, 0.2, 0.1},
              {"quality", MetricKind::kScore, 0.95, 0.02, 0.01},
              {"crashes", MetricKind::kCrashes, 0.95, 0, 0},
          }};
}

CanarySpec canary() { return {.interval = Seconds(120), .hold_limit = Seconds(1e9)}; }

World world(double rate, double stable, double candidate) {
  World made;
  made.rate = rate;
  made.stable.error_rate = stable;
  made.candidate.error_rate = candidate;
  return made;
}

std::vector<Cell> cells() {
  std::vector<Cell> all;
  for (const double rate : {20.0, 200.0}) {
    const std::string at = "@" + std::to_string(static_cast<int>(rate));
    const double horizon = rate < 100 ? 3 * 3600 : 2400;
    const auto add = [&](const std::string& name, const World& made) {
      all.push_back({name + at, made, horizon});
    };
    add("healthy", world(rate, 0.005, 0.005));
    add("healthy-0.1", world(rate, 0.001, 0.001));
    for (const int burst : {2, 5, 20}) {
      World made = world(rate, 0.005, 0.005);
      made.stable.burst = made.candidate.burst = burst;
      add("burst-" + std::to_string(burst), made);
      made.candidate.error_rate = 0.0071;
      add("margin-burst-" + std::to_string(burst), made);
    }
    World incident = world(rate, 0.002, 0.002);
    incident.incident_every = 600;
    incident.incident_length = 300;
    add("incident", incident);
    World drift = world(rate, 0.003, 0.003);
    drift.drift = 10;
    add("drift", drift);
    World bad_users = world(rate, 0.001, 0.001);
    bad_users.users = 1000;
    bad_users.bad_users = 0.02;
    add("bad-users", bad_users);
    World zipf = world(rate, 0.005, 0.005);
    zipf.users = 10'000;
    zipf.zipf = 1.1;
    add("zipf", zipf);
    zipf.bad_users = 0.02;
    add("zipf-bad", zipf);
    World cold = world(rate, 0.002, 0.002);
    cold.candidate.cold_requests = 50;
    add("cold", cold);
    add("margin", world(rate, 0.005, 0.0071));
    add("margin-0.1", world(rate, 0.001, 0.0031));
    World slow = world(rate, 0.001, 0.001);
    slow.candidate.latency *= 1.3;
    add("slow-30", slow);
    World at_margin = world(rate, 0.001, 0.001);
    at_margin.candidate.latency *= 1.2;
    add("slow-20", at_margin);
    add("0.1-0.5", world(rate, 0.001, 0.005));
    add("0.1-30", world(rate, 0.001, 0.3));
    add("all-fail", world(rate, 0.001, 1));
  }
  World quiet = world(2, 0.005, 0.005);
  all.push_back({"healthy@2", quiet, 12 * 3600});
  all.push_back({"0.1-30@2", world(2, 0.001, 0.3), 12 * 3600});
  return all;
}

double quantile(std::vector<double> values, double q) {
  if (values.empty()) return -1;
  std::ranges::sort(values);
  return values[std::min(values.size() - 1,
                         static_cast<std::size_t>(q * static_cast<double>(values.size())))];
}

void run(const Cell& cell, const std::string& rule, int runs, std::uint64_t seed) {
  int back = 0;
  int promoted = 0;
  int withdrawn = 0;
  std::vector<double> back_after;
  std::vector<double> promoted_after;
  std::vector<double> bad;
  for (int i = 0; i < runs; ++i) {
    Traffic traffic(cell.world, seed + static_cast<std::uint64_t>(i));
    const auto history = traffic.history();
    const auto decides = rule == "serin"     ? serin_rule(canary(), default_analysis(), history)
                         : rule == "flagger" ? flagger_rule({})
                                             : argo_rule({});
    const Run done = simulate(*decides, traffic, cell.horizon);
    withdrawn += done.withdrawn ? 1 : 0;
    if (done.ending == Ending::kRolledBack) {
      ++back;
      back_after.push_back(done.seconds);
      bad.push_back(static_cast<double>(done.bad));
    } else if (done.ending == Ending::kPromoted) {
      ++promoted;
      promoted_after.push_back(done.seconds);
    }
  }
  std::printf(
      "%-20s %-8s rolled back %6.2f %% (median %5.0f s, p95 %5.0f s, bad %5.0f)  promoted %6.2f %% "
      "(median %5.0f s)  withdrawn %.2f %%\n",
      cell.name.c_str(), rule.c_str(), 100.0 * back / runs, quantile(back_after, 0.5),
      quantile(back_after, 0.95), quantile(bad, 0.5), 100.0 * promoted / runs,
      quantile(promoted_after, 0.5), 100.0 * withdrawn / runs);
  std::fflush(stdout);
}

}  // namespace
}  // namespace serin::rollout

int main(int argc, char** argv) {
  using namespace serin::rollout;
  const int runs = argc > 1 ? std::atoi(argv[1]) : 1000;
  const auto seed = static_cast<std::uint64_t>(argc > 2 ? std::atoll(argv[2]) : 1);
  for (const Cell& cell : cells()) {
    if (argc > 3 && std::none_of(argv + 3, argv + argc,
                                 [&](const char* name) { return cell.name.starts_with(name); }))
      continue;
    for (const char* rule : {"serin", "flagger", "argo"}) {
      if (std::getenv("ONLY") != nullptr && std::strcmp(std::getenv("ONLY"), rule) != 0) continue;
      run(cell, rule, runs, seed);
    }
  }
}
