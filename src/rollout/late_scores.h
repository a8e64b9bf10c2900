// SPDX-License-Identifier: Apache-2.0
// The evidence about a metric of scores that come later than the answers that they are about, of
// some of the requests.
//
// Ratings are users', and come as often as somebody likes. A trial is a user: only the first rating
// that a user gives in a rollout counts, in the arm of the request that was rated. Users were
// assigned at random, so those are independent of each other, and one user can do no more than one
// bet can, which never reaches a verdict. (Up to kMostOfKey scores of a key would count otherwise,
// divided by how much alike they are; that is measured, so somebody who rates on purpose could get
// around it.)
//
// A scorer of the user's is given a sample that was drawn without looking at the version, so its
// score is a trial as one that comes with its answer is (ScoreEvidence); what a key has said before
// is counted by scores here, since of most of its requests there are none.
//
// Who rates chooses to, and a scorer may fail on the answers of one version. What is compared is
// what there is, so whether there is as much of the candidate as the weight says is tested too.
#pragma once

#include "rollout/evidence.h"
#include "rollout/keys.h"
#include "rollout/stats/share_test.h"

namespace serin::rollout {

struct LateScore {
  Arm arm = Arm::kStable;
  double weight = 0;      // the candidate's part of the keys when the request was assigned
  std::uint64_t key = 0;  // of a rating, hash of the user; else as Request::key
  double score = 0;       // 0 to 1
};

class LateScoreEvidence {
 public:
  enum class By : std::uint8_t { kUsers, kScorer };
  LateScoreEvidence(By by, double harm_margin, double margin)
      : by_(by), scores_(harm_margin, margin) {}

  // `low`: below what the stable arm's scores are on average. False when it does not count: a
  // rating of nobody (Request::kOwnKey) or of a user who has rated before; a key that was given up.
  bool add(const LateScore& score, bool low);
  void close_block() { scores_.close_block(kLongestBlock); }
  Evidence evidence() const { return scores_.evidence(); }
  // Of the hypothesis that both versions are scored equally often, a logarithm.
  double mismatch() const { return shares_.log_e(); }
  // As those of ScoreEvidence.
  double expected_until_harmful(double threshold) const {
    return scores_.expected_until_harmful(threshold);
  }
  double expected_until_safe(double threshold) const {
    return scores_.expected_until_safe(threshold);
  }

  template <class Self, class Archive>
  static void fields(Self& self, Archive& archive) {
    archive(self.scores_, self.keys_, self.shares_);
  }

  // Past so many the half of them is forgotten and never counted again (KeyTable).
  static constexpr std::size_t kMostKeys = std::size_t{1} << 16;
  // Late scores are seldom: those of one arm wait for the other's for so many calls of
  // close_block(), six hours at four a second.
  static constexpr std::uint32_t kLongestBlock = 86'400;

 private:
  By by_;
  ScoreEvidence scores_;
  KeyTable keys_{kMostKeys};
  ShareTest shares_{ShareTest::Null::kEqual};
};

}  // namespace serin::rollout
