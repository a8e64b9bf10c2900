// SPDX-License-Identifier: Apache-2.0
// The verdict on a candidate, from the requests of both arms. Pure: no clock, no lock, one thread.
//
// For each metric a harm test and a safe test run from the first request to the end of the rollout.
// Each metric has a part of falseRollback, in all the whole of it: of k metrics one of k + 2, and
// the rate of errors three, for it is what most trouble shows in. A metric is harmful when its harm
// test reaches one in its part, and safe when its safe test stands at 1 / falsePromotion or more;
// the rollout is harmful when one metric is, and safe when all are. Over all looks, metrics and
// steps together a candidate that is not harmful is found harmful with a probability of at most
// falseRollback (the sum of the metrics' parts),
// and one that is worse than a margin is found safe with at most falsePromotion (all metrics must
// be safe, so the one that is worse must). That is proved for units that are independent of each
// other; what evidence.h does about those that are not is measured, by bench/verdicts, and where it
// cannot be enough AnalysisReport::withdrawn says so.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "base/error.h"
#include "rollout/evidence.h"
#include "rollout/keys.h"
#include "rollout/late_scores.h"
#include "rollout/request.h"
#include "rollout/split.h"
#include "rollout/stats/interval.h"
#include "rollout/stats/quantile_sketch.h"
#include "rollout/workers.h"

namespace serin::rollout {

enum class MetricKind : std::uint8_t {
  kErrorRate,
  kLatency,
  kTimeToFirstToken,
  kTimePerOutputToken,
  kScore,
  kCrashes,
  kRating,
  kLateScore,
};
constexpr MetricKind last_of(MetricKind) { return MetricKind::kLateScore; }

struct MetricSpec {
  std::string name;
  MetricKind kind = MetricKind::kErrorRate;
  double quantile = 0.95;  // of times
  double margin = 0;       // times: a part of the stable quantile; else absolute
  double harm_margin = 0;  // at most `margin`

  template <class Self, class Archive>
  static void fields(Self& self, Archive& archive) {
    archive(self.name, self.kind, self.quantile, self.margin, self.harm_margin);
  }
};

struct AnalysisSpec {
  double false_rollback = 0.01;
  double false_promotion = 0.05;
  std::vector<MetricSpec> metrics;
  // The first requests of any worker say nothing about times: it is cold.
  std::uint64_t warmup_requests = 50;
  double deadline = 60;  // seconds, of every request: after that its end is known

  template <class Self, class Archive>
  static void fields(Self& self, Archive& archive) {
    archive(self.false_rollback, self.false_promotion, self.metrics, self.warmup_requests,
            self.deadline);
  }
};

enum class Verdict : std::uint8_t { kUndecided, kSafe, kHarmful };
std::string_view name_of(Verdict verdict);

struct MetricReport {
  std::string name;
  MetricKind kind = MetricKind::kErrorRate;
  Verdict verdict = Verdict::kUndecided;
  Evidence evidence;
  double harm_threshold = 0;  // logarithms; what the evidence has to reach
  double safe_threshold = 0;
  double stable = 0;  // a rate, a quantile in seconds, a mean score or rating, a count
  double candidate = 0;
  std::uint64_t stable_count = 0;  // requests behind it, or users who rated
  std::uint64_t candidate_count = 0;
  // Candidate less stable, in the metric's unit; of times as a part of the stable quantile. 95 %,
  // over all looks. Unset before both arms have answered, and for crashes.
  std::optional<Interval> difference;
  // Of an undecided metric, if both versions go on as they did: the verdict that comes first, and
  // after how many more requests of the service, if every one is a trial (fewer are where users ask
  // often). Unset where none is in sight.
  std::optional<Verdict> expected_verdict;
  double expected_requests = 0;
};

struct AnalysisReport {
  Verdict verdict = Verdict::kUndecided;
  std::vector<MetricReport> metrics;
  std::uint64_t requests = 0;  // counted since the rollout began
  std::uint64_t censored = 0;
  double requests_per_second = 0;  // of about the last minute
  // Why the stated error rates are not promised for this rollout; empty while they are.
  std::string withdrawn;
};

class Analysis {
 public:
  // `history`: requests that the stable version answered before the rollout, in the order of
  // assignment. The more of them, the sooner the tests see. At most 32 metrics.
  Analysis(AnalysisSpec spec, std::span<const Request> history);

  // In the order in which their ends became known.
  void add(Request request);
  // A user's rating of a request that was added, or will be; it counts with the next block.
  void add_rating(const LateScore& rating);
  // A score that a scorer of the user's gave a request; `scorer`: the place of its metric among
  // those of the kind. As above.
  void add_late_score(std::size_t scorer, const LateScore& score);
  // A crash or restart of a worker, when the candidate had `share` of what could crash.
  void add_crash(Arm arm, double share);
  // Counts what was assigned until kSettled ago, in the order of assignment, for that is the order
  // in which trouble begins and ends; what ends later is counted when it does. To be called a few
  // times a second, whatever happened meanwhile. `now` on the scale of Request::assigned.
  void close_block(double now);
  static constexpr double kSettled = 0.5;  // seconds
  // So many wait at most; past that they are counted without waiting longer.
  static constexpr std::size_t kMostWaiting = std::size_t{1} << 17;

  AnalysisReport report() const;
  // The same without the values, intervals and expectations: for who asks after every block.
  AnalysisReport verdicts() const;

  // Everything that these have left behind: an analysis that load()
  // made of it goes on to the bit as this one would. About 40 KB, 17 bytes for each key
  // (KeyTable: at most 4.5 MiB, of users who rate 1.1) and some 60 for each request that waits for
  // close_block().
  std::string save() const;
  // kInvalidArgument for bytes that save() of this version of the format did not write;
  // kFailedPrecondition for those of an analysis with another specification.
  static Result<Analysis> load(AnalysisSpec spec, std::string_view saved);

 private:
  // Of one arm.
  struct Totals {
    double sum = 0;
    double squares = 0;
    std::uint64_t count = 0;
    std::uint64_t harm_events = 0;  // of times: beyond the thresholds
    std::uint64_t safe_events = 0;

    bool below_mean(double value) const {
      return count > 0 && value < sum / static_cast<double>(count);
    }
    void observe(double value) {
      ++count;
      sum += value;
      squares += value * value;
    }
    template <class Self, class Archive>
    static void fields(Self& self, Archive& archive) {
      archive(self.sum, self.squares, self.count, self.harm_events, self.safe_events);
    }
  };
  using Tests = std::variant<EventEvidence, ScoreEvidence, ShareTest, LateScoreEvidence>;
  struct Metric {
    MetricSpec spec;
    Tests evidence;
    double harm_threshold = 0;  // logarithms of what the evidence has to reach
    double safe_threshold = 0;
    std::array<Totals, 2> totals{};          // by arm
    std::array<QuantileSketch, 2> sketches;  // of times, by arm
    double threshold = 0;                    // of times: the stable quantile as the block began
    std::uint64_t threshold_count = 0;       // so many stable times made it

    template <class Self, class Archive>
    static void fields(Self& self, Archive& archive) {
      std::visit([&](auto& evidence) { archive(evidence); }, self.evidence);
      archive(self.totals, self.sketches, self.threshold, self.threshold_count);
    }
  };
  // How many requests come, with older ones forgotten by and by.
  struct Pace {
    double requests = 0;
    double seconds = 0;
    std::optional<double> last;  // on the scale of Request::assigned

    void add(double now, std::size_t count);
    double rate() const { return seconds > 0 ? requests / seconds : 0; }
    template <class Self, class Archive>
    static void fields(Self& self, Archive& archive) {
      archive(self.requests, self.seconds, self.last);
    }
  };

  template <class Self, class Archive>
  static void fields(Self& self, Archive& archive) {
    for (auto& metric : self.metrics_) archive(metric);
    archive(self.keys_, self.split_, self.workers_, self.waiting_, self.requests_, self.censored_,
            self.weight_, self.pace_);
  }

  static Tests tests_of(const MetricSpec& spec);
  void seed(Metric& metric, std::span<const Request> history);
  void settle(double until);
  void count(const Request& request);
  // Whether it was an event; `score` is the place of the metric's score in the request.
  bool add_to(Metric& metric, const Request& request, const Unit& unit, std::size_t score,
              bool warm);
  static void set_threshold(Metric& metric);
  MetricReport verdict_of(const Metric& metric) const;
  static std::string mismatch(const Metric& metric);
  static void add_late(Metric& metric, const LateScore& score);
  // report.cc
  void describe(const Metric& metric, MetricReport& report) const;
  void expect(const Metric& metric, MetricReport& report) const;

  AnalysisSpec spec_;
  std::vector<Metric> metrics_;
  KeyTable keys_;
  SplitTest split_;
  WorkerTable workers_;
  std::vector<Request> waiting_;  // not counted yet
  std::uint64_t requests_ = 0;
  std::uint64_t censored_ = 0;
  double weight_ = 0;  // of the last request
  Pace pace_;
};

// "about 12,300 more requests (1 min 2 s at 200 a second)", of an undecided metric.
std::string expectation_text(const MetricReport& metric, double requests_per_second);

}  // namespace serin::rollout
