// SPDX-License-Identifier: Apache-2.0
// The verdict on a candidate, from the requests of both arms. Pure: no clock, no lock, one thread.
//
// For each metric a harm test and a safe test run from the first request to the end of the rollout.
// A metric is harmful when its harm test reaches number_of_metrics / falseRollback, and safe when
// its safe test stands at 1 / falsePromotion or more; the rollout is harmful when one metric is,
// and safe when all are. Over all looks, metrics and steps together a candidate that is not harmful
// is found harmful with a probability of at most falseRollback (the sum of the metrics' shares),
// and one that is worse than a margin is found safe with at most falsePromotion (all metrics must
// be safe, so the one that is worse must). That is proved for units that are independent of each
// other; what evidence.h does about those that are not is measured, by bench/verdicts, and where it
// cannot be enough AnalysisReport::withdrawn says so.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <variant>
#include <vector>

#include "rollout/evidence.h"
#include "rollout/keys.h"
#include "rollout/request.h"
#include "rollout/stats/quantile_sketch.h"

namespace serin::rollout {

enum class MetricKind : std::uint8_t {
  kErrorRate,
  kLatency,
  kTimeToFirstToken,
  kTimePerOutputToken,
  kScore,
  kCrashes,
};

struct MetricSpec {
  std::string name;
  MetricKind kind = MetricKind::kErrorRate;
  double quantile = 0.95;  // of times
  double margin = 0;       // rates and scores: absolute; times: a part of the stable quantile
  double harm_margin = 0;  // at most `margin`
};

struct AnalysisSpec {
  double false_rollback = 0.01;
  double false_promotion = 0.05;
  std::vector<MetricSpec> metrics;
  // The first requests of any worker say nothing about times: it is cold.
  std::uint64_t warmup_requests = 50;
};

enum class Verdict : std::uint8_t { kUndecided, kSafe, kHarmful };

struct MetricReport {
  std::string name;
  Verdict verdict = Verdict::kUndecided;
  Evidence evidence;
  double harm_threshold = 0;  // logarithms; what the evidence has to reach
  double safe_threshold = 0;
  double stable = 0;  // a rate, a quantile in seconds, a mean score, a count
  double candidate = 0;
  std::uint64_t stable_count = 0;  // requests behind it
  std::uint64_t candidate_count = 0;
};

struct AnalysisReport {
  Verdict verdict = Verdict::kUndecided;
  std::vector<MetricReport> metrics;
  std::uint64_t censored = 0;
  // Why the stated error rates are not promised for this rollout; empty while they are.
  std::string withdrawn;
};

class Analysis {
 public:
  // `history`: requests that the stable version answered before the rollout. The more of them, the
  // sooner the tests see. At most 32 metrics.
  Analysis(AnalysisSpec spec, std::span<const Request> history);

  // In the order in which their ends became known.
  void add(Request request);
  // A crash or restart of a worker, when the candidate had `share` of what could crash.
  void add_crash(Arm arm, double share);
  // Counts what was assigned until kSettled ago, in the order of assignment, for that is the order
  // in which trouble begins and ends; what ends later is counted when it does. To be called a few
  // times a second, whatever happened meanwhile. `now` on the scale of Request::assigned.
  void close_block(double now);
  static constexpr double kSettled = 0.5;  // seconds

  AnalysisReport report() const;

 private:
  struct Totals {
    double sum = 0;
    std::uint64_t count = 0;
  };
  struct Metric {
    MetricSpec spec;
    std::variant<EventEvidence, ScoreEvidence, ShareTest> evidence;
    std::array<Totals, 2> totals{};          // by arm
    std::array<QuantileSketch, 2> sketches;  // of times, by arm
    double threshold = 0;                    // of times: the stable quantile as the block began
  };

  void count(const Request& request);
  // Whether it was an event; `score` is the place of the metric's score in the request.
  bool add_to(Metric& metric, const Request& request, const Unit& unit, std::size_t score);
  static void set_threshold(Metric& metric);
  MetricReport report_of(const Metric& metric) const;

  AnalysisSpec spec_;
  std::vector<Metric> metrics_;
  KeyTable keys_;
  ShareTest split_{ShareTest::Null::kEqual};
  std::unordered_map<std::uint32_t, std::uint64_t> requests_of_worker_;
  std::vector<Request> waiting_;  // not counted yet
  std::uint64_t censored_ = 0;
};

}  // namespace serin::rollout
