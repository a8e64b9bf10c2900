// SPDX-License-Identifier: Apache-2.0
#include "rollout/late_scores.h"

namespace serin::rollout {

bool LateScoreEvidence::add(const LateScore& score, bool low) {
  Unit unit{.arm = score.arm, .weight = score.weight};
  if (score.key != Request::kOwnKey) {
    const KeyTable::Key known = keys_.see(score.key, score.arm);
    if (known.seen == nullptr || (by_ == By::kUsers && !known.first)) return false;
    unit.first = known.first;
    unit.had_event = known.seen->had != 0;
    unit.number = known.seen->number;
    unit.before = known.seen->last != 0;
    known.seen->had |= low ? 1 : 0;
    known.seen->last = low ? 1 : 0;
  } else if (by_ == By::kUsers) {
    return false;
  }
  if (unit.first) shares_.add(score.arm == Arm::kCandidate, score.weight);
  scores_.add(unit, score.score, low);
  return true;
}

}  // namespace serin::rollout
