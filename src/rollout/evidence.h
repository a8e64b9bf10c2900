// SPDX-License-Identifier: Apache-2.0
// The evidence about one metric: what turns requests into trials that may be counted, and the tests
// that count them.
//
// Three ways of counting, each right where requests depend on each other:
//  - by rate: the first request of a key is a trial. Keys were assigned at random, so trials are
//    independent of each other, however users differ and however much they ask;
//  - by share: the first event of a key is the candidate's with the probability of its weight;
//  - by rate, of the first kMostOfKey requests of a key in its arm, divided by how much alike those
//    are (KeyDispersion). A service with a thousand users has a thousand first requests and never
//    more, which prove little; this one goes on proving.
// And failures come in bursts on one worker (it lost its device, its peer), so for harm a request
// that follows a failure on its worker is no trial: what is counted is how often trouble begins. A
// run of failures that is much longer than those of the stable arm counts again, for a worker that
// fails for good is more than one trouble. Times are not counted so: a slow request is known later
// than the ones after it, so that the order of events on a worker is not that of requests, and the
// more requests an arm has the more of its slow ones would follow each other. How times of trouble
// make slow requests vary is measured of the stable arm alone (TimeDispersion), and both tests are
// divided by it. A mixture of e-processes is one, and so is each test
// here, where each of its parts is.
//
// (To leave out what follows an event makes the size of a block depend a little on what happened in
// it, which the proof in rate_test.h does not allow; and a divisor that is measured is not a proof.
// How little both cost is measured too: bench/verdicts.)
//
// The safe test cannot leave bursts out: a candidate whose bursts are longer is worse. Its evidence
// is divided by how much bursts make events vary.
#pragma once

#include <array>
#include <cstdint>
#include <numbers>
#include <vector>

#include "rollout/request.h"
#include "rollout/stats/dispersion.h"
#include "rollout/stats/mean_test.h"
#include "rollout/stats/rate_test.h"
#include "rollout/stats/share_test.h"

namespace serin::rollout {

// Who asked, as far as it matters for counting.
struct Unit {
  Arm arm = Arm::kStable;
  double weight = 0;
  std::uint32_t worker = 0;  // its place in WorkerTable
  bool new_worker = false;   // nothing is known of the worker at this place
  bool first = true;         // the key's first request
  bool had_event = false;    // the key had an event of this metric before
  std::uint8_t number = 1;   // the key's how manieth in this arm
  bool before = false;       // whether the one before that was an event of this metric
};

// Evidence so far: logarithms of e-values, by what both were divided (dispersion.h), and how much
// the stable arm's events vary, more than which the divisors do not promise to understand.
struct Evidence {
  double harm = 0;
  double safe = 0;
  double harm_dispersion = 1;
  double safe_dispersion = 1;
  double stable_dispersion = 1;
};

// So many requests of one key in one arm are counted.
constexpr std::uint8_t kMostOfKey = 100;
// A block in which one arm has no trial yet goes on for so many calls of close_block().
constexpr std::uint32_t kLongestBlock = 240;

// A metric whose observation is that something happened or not: a failure, or a time beyond what
// the stable arm takes.
class EventEvidence {
 public:
  enum class Kind : std::uint8_t { kFailures, kSlow };
  // Margins in rates. The margins of times are in the thresholds of the events, and 0 here.
  EventEvidence(Kind kind, double harm_margin, double margin);

  // A request that the stable arm answered before, in the order of assignment.
  void seed(const Unit& unit, bool event);
  // What happened to the request, by the harm test's threshold and by the safe test's.
  void add(const Unit& unit, bool harm_event, bool safe_event);
  void close_block();
  Evidence evidence() const;
  // How many more requests that are trials until the evidence reaches the threshold, if the rates
  // by both tests' events are and stay these (rate_test.h).
  struct Rates {
    double stable = 0;
    double candidate = 0;
  };
  double expected_until_harmful(Rates rates, double weight, double threshold) const;
  double expected_until_safe(Rates rates, double weight, double threshold) const;

  template <class Self, class Archive>
  static void fields(Self& self, Archive& archive) {
    archive(self.harm_, self.share_, self.safe_, self.repeats_, self.safe_repeated_, self.runs_,
            self.stable_runs_, self.all_runs_, self.onsets_, self.events_, self.keys_);
  }

 private:
  // Events in a row on one worker, until now.
  struct Run {
    std::uint64_t length = 0;
    std::uint64_t uncounted = 0;  // of them since the last that was counted

    template <class Self, class Archive>
    static void fields(Self& self, Archive& archive) {
      archive(self.length, self.uncounted);
    }
  };
  // A test and the block that is open for it.
  struct Blocks {
    RateTest test;
    std::array<Trials, 2> trials{};  // by arm
    std::uint32_t calls = 0;         // of close(), so far

    // True when the block ended, `least` calls after it began or later.
    bool close(std::uint32_t least, TimeDispersion* dispersion);
    template <class Self, class Archive>
    static void fields(Self& self, Archive& archive) {
      archive(self.test, self.trials, self.calls);
    }
  };

  // Adds the request to its worker's run. Whether it may be a trial of how often trouble begins.
  bool follow(const Unit& unit, bool event);
  // By how much bursts in `runs` and over time make events vary.
  double burstiness(const RunLengths& runs) const;

  Kind kind_;
  bool by_share_;
  Blocks harm_;
  ShareTest share_{ShareTest::Null::kNoMore};
  Blocks safe_;
  bool repeats_ = false;  // some key has asked twice; until then the next is what safe_ is
  Blocks safe_repeated_;
  std::vector<Run> runs_;  // by worker
  RunLengths stable_runs_;
  RunLengths all_runs_;
  TimeDispersion onsets_;  // of the stable arm
  TimeDispersion events_;
  KeyDispersion keys_;
};

// A metric whose observation is a score in [0, 1].
class ScoreEvidence {
 public:
  ScoreEvidence(double harm_margin, double margin);

  // `low`: below what the stable arm's scores are on average; what had_event and before mean.
  void add(const Unit& unit, double score, bool low);
  // A block in which one arm has no score yet goes on for `longest` calls.
  void close_block(std::uint32_t longest = kLongestBlock);
  Evidence evidence() const;
  // How many more groups of a score of each arm until the evidence reaches the threshold.
  double expected_until_harmful(double threshold) const;
  double expected_until_safe(double threshold) const;

  template <class Self, class Archive>
  static void fields(Self& self, Archive& archive) {
    archive(self.first_, self.repeats_, self.repeated_, self.keys_);
  }

 private:
  // Both tests, and the block that is open for them.
  struct Blocks {
    MeanTest harm;
    MeanTest safe;
    std::array<std::vector<double>, 2> scores{};  // by arm
    std::uint32_t calls = 0;

    void close(std::uint32_t longest);
    template <class Self, class Archive>
    static void fields(Self& self, Archive& archive) {
      archive(self.harm, self.safe, self.scores, self.calls);
    }
  };

  // Halves correlate less than what was halved: by up to pi / 2, where it is normal.
  double alike() const { return 1 + (keys_.factor() - 1) * std::numbers::pi / 2; }

  Blocks first_;
  bool repeats_ = false;
  Blocks repeated_;
  KeyDispersion keys_;
};

}  // namespace serin::rollout
