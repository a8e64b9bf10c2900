// SPDX-License-Identifier: Apache-2.0
// The evidence about a metric of users' ratings, which come later than the answers that they are
// about, from some of the users, and as often as somebody likes.
//
// A trial is a user: only the first rating that a user gives in a rollout counts, in the arm of the
// request that was rated. Users were assigned at random, so those are independent of each other,
// and one user can do no more than one bet can, which never reaches a verdict. (Scores of a
// generation's form count up to kMostOfKey times a user, divided by how much alike they are; that
// is measured, so somebody who rates on purpose could get around it.)
//
// Who rates chooses to. The test compares those who do, so it also tests whether the candidate's
// users rate as often as the stable version's: where they do not, their ratings may differ because
// other users rate.
#pragma once

#include "rollout/evidence.h"
#include "rollout/keys.h"
#include "rollout/stats/share_test.h"

namespace serin::rollout {

// A user's rating of a request.
struct Rating {
  Arm arm = Arm::kStable;
  double weight = 0;      // the candidate's part of the keys when the request was assigned
  std::uint64_t key = 0;  // hash of the user; Request::kOwnKey: nobody knows whose it is
  double score = 0;       // 0 to 1
};

class RatingEvidence {
 public:
  RatingEvidence(double harm_margin, double margin)
      : blocks_{.harm = {Side::kHarm, harm_margin}, .safe = {Side::kSafe, margin}} {}

  // False when it does not count: nobody's, or of a user who has rated before.
  bool add(const Rating& rating);
  void close_block() { blocks_.close(kLongestBlock); }
  Evidence evidence() const { return {.harm = blocks_.harm.log_e(), .safe = blocks_.safe.log_e()}; }
  // Of the hypothesis that users of both versions rate equally often, a logarithm.
  double mismatch() const { return shares_.log_e(); }
  // How many more groups of a rating of each arm until the evidence reaches the threshold.
  double expected_until_harmful(double threshold) const {
    return blocks_.harm.expected_groups(threshold);
  }
  double expected_until_safe(double threshold) const {
    return blocks_.safe.expected_groups(threshold);
  }

  template <class Self, class Archive>
  static void fields(Self& self, Archive& archive) {
    archive(self.blocks_, self.raters_, self.shares_);
  }

  // Past so many the half of them is forgotten and never counted again (KeyTable).
  static constexpr std::size_t kMostRaters = std::size_t{1} << 16;
  // Ratings are seldom: those of one arm wait for the other's for so many calls of close_block(),
  // six hours at four a second.
  static constexpr std::uint32_t kLongestBlock = 86'400;

 private:
  ScoreBlocks blocks_;
  KeyTable raters_{kMostRaters};
  ShareTest shares_{ShareTest::Null::kEqual};
};

}  // namespace serin::rollout
