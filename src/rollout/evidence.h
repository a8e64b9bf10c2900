// SPDX-License-Identifier: Apache-2.0
// The evidence about one metric: what turns requests into trials that may be counted, and the tests
// that count them.
//
// Two ways of counting, each right where requests depend on each other:
//  - by rate: the first request of a key is a trial. Keys were assigned at random, so trials are
//    independent of each other, however users differ and however much they ask;
//  - by share: the first event of a key is the candidate's with the probability of its weight.
// And failures come in bursts on one worker (it lost its device, its peer), so in both a request
// that follows an event on its worker is no trial: what is counted is how often trouble begins. A
// run of events that is much longer than those of the stable arm counts again, for a worker that
// fails for good is more than one trouble. The harm test is a mixture of both, which is an
// e-process when each is.
//
// (To leave out what follows an event makes the size of a block depend a little on what happened in
// it, which the proof in rate_test.h does not allow. How little is measured: bench/verdicts.)
//
// The safe test cannot leave bursts out: a candidate whose bursts are longer is worse. It counts
// the first request of each key, and its evidence is divided by how much bursts make events vary.
#pragma once

#include <array>
#include <cstdint>
#include <unordered_map>
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
  std::uint32_t worker = 0;
  bool first = true;       // the key's first request
  bool had_event = false;  // the key had an event of this metric before
};

// Evidence so far: logarithms of e-values, and by what both were divided (dispersion.h).
struct Evidence {
  double harm = 0;
  double safe = 0;
  double harm_dispersion = 1;
  double safe_dispersion = 1;
};

// A metric whose observation is that something happened or not: a failure, or a time beyond what
// the stable arm takes.
class EventEvidence {
 public:
  // Margins in rates. The margins of times are in the thresholds of the events, and 0 here.
  EventEvidence(double harm_margin, double margin);

  void seed(Trials stable);
  // What happened to the request, by the harm test's threshold and by the safe test's.
  void add(const Unit& unit, bool harm_event, bool safe_event);
  void close_block();
  Evidence evidence() const;

 private:
  // Events in a row on one worker, until now.
  struct Run {
    std::uint64_t length = 0;
    std::uint64_t uncounted = 0;  // of them since the last that was counted
  };
  struct PairBlock {
    std::array<Trials, 2> trials{};  // by arm
    int calls = 0;                   // of close_block(), so far
  };

  bool by_share_;
  RateTest harm_;
  ShareTest share_{ShareTest::Null::kNoMore};
  RateTest safe_;
  PairBlock harm_block_;
  PairBlock safe_block_;
  std::unordered_map<std::uint32_t, Run> runs_;  // by worker
  RunLengths stable_runs_;
  RunLengths all_runs_;
  TimeDispersion onsets_;  // of the stable arm
  TimeDispersion events_;
};

// A metric whose observation is a score in [0, 1].
class ScoreEvidence {
 public:
  ScoreEvidence(double harm_margin, double margin)
      : harm_(Side::kHarm, harm_margin), safe_(Side::kSafe, margin) {}

  void add(const Unit& unit, double score);
  void close_block();
  Evidence evidence() const { return {.harm = harm_.log_e(), .safe = safe_.log_e()}; }

 private:
  MeanTest harm_;
  MeanTest safe_;
  std::array<std::vector<double>, 2> block_;  // by arm
};

}  // namespace serin::rollout
