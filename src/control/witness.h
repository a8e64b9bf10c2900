// SPDX-License-Identifier: Apache-2.0
// What a service's requests and workers tell: read from the platform, in order and each once; kept
// for the rollout's analysis and for people who watch. One for each service, on the control thread.
//
// Nothing counts twice: the statistics are stored with the place up to which they have counted
// (RolloutRecord::analysis, evidence_next, *_crashes), and after a restart reading goes on there.
#pragma once

#include <deque>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "control/recent.h"
#include "control/reconcile.h"
#include "rollout/agreements.h"
#include "rollout/analysis.h"

namespace serin::control {

class Witness {
 public:
  // What requests of the stable version before a rollout say goes into it (rollout::Analysis).
  static constexpr std::size_t kHistory = 2000;
  static constexpr std::size_t kPage = 5000;  // requests read at once
  static constexpr int kPagesInAPass = 8;

  // Goes on where the stored rollout is. kDataLoss when its statistics cannot be read: they begin
  // anew.
  Status restore(const ServiceRecord& record);

  // What was new since the last pass. The answer's number: requests that nobody will ever count.
  Result<std::uint64_t> read(platform::Platform& platform, const ServiceRecord& record,
                             const Seen& seen, Moment now);

  // The analysis begins with the weight. Into `record`, which is written next.
  Status begin(ServiceRecord& record, const Seen& seen);
  void end() { analysis_.reset(); }
  // What counted until now, into `record`, which is written next. False: nothing new.
  bool save(ServiceRecord& record);

  bool analysing() const { return analysis_.has_value(); }
  // That the analysis wants scores of.
  const std::vector<ScorerSpec>& own_scorers() const { return own_scorers_; }
  rollout::AnalysisReport verdicts() const;  // all that a decision needs
  rollout::AnalysisReport report() const;    // also what people want to know
  // Of versions that answered anything lately.
  std::map<std::string, Lately> lately(Moment now) const;

 private:
  void take(const platform::Evidence& evidence, const ServiceRecord& record, Moment now);
  void take_late(const platform::Evidence& evidence, const ServiceRecord& record);
  void count_crashes(const ServiceRecord& record, const Seen& seen);

  platform::EvidenceCursor next_;
  std::deque<rollout::Request> history_;
  std::string history_of_;  // label
  std::optional<Moment> watches_since_;
  std::map<std::string, Recent> recent_;  // by label
  std::optional<rollout::Analysis> analysis_;
  rollout::Agreements agreements_;       // of a shadow rollout
  std::vector<std::string> scorers_;     // of the analysis's score metrics, in their order
  std::vector<ScorerSpec> own_scorers_;  // of its late scores, the same
  std::uint64_t stable_crashes_ = 0;
  std::uint64_t candidate_crashes_ = 0;
  bool changed_ = false;
};

// "spec.rollout" of the manifest that a rollout began with.
Result<RolloutSpec> spec_of(const RolloutRecord& rollout);

}  // namespace serin::control
