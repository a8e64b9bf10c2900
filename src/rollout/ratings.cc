// SPDX-License-Identifier: Apache-2.0
#include "rollout/ratings.h"

namespace serin::rollout {

bool RatingEvidence::add(const Rating& rating) {
  if (rating.key == Request::kOwnKey) return false;
  if (!raters_.see(rating.key, rating.arm).first) return false;
  blocks_.scores[index(rating.arm)].push_back(rating.score);
  shares_.add(rating.arm == Arm::kCandidate, rating.weight);
  return true;
}

}  // namespace serin::rollout
