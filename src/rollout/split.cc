// SPDX-License-Identifier: Apache-2.0
#include "rollout/split.h"

#include <algorithm>
#include <cmath>

namespace serin::rollout {

void SplitTest::add(Arm arm, double weight, double assigned) {
  const double begin = std::floor(assigned / span()) * span();
  if (begin < counted_until_) return;
  auto found = std::ranges::find_if(
      open_, [&](const Span& open) { return open.begin == begin && open.weight == weight; });
  if (found == open_.end()) {
    if (open_.size() >= kMostSpans) {
      const auto oldest = std::ranges::min_element(open_, {}, &Span::begin);
      count(*oldest);
      open_.erase(oldest);
    }
    open_.push_back({.begin = begin, .weight = weight});
    found = open_.end() - 1;
  }
  ++found->keys[index(arm)];
}

void SplitTest::count(const Span& closed) {
  test_.add(closed.keys[index(Arm::kStable)], closed.keys[index(Arm::kCandidate)], closed.weight);
}

void SplitTest::advance(double now) {
  const auto is_known = [&](const Span& open) { return open.begin + span() + deadline_ <= now; };
  for (const Span& open : open_) {
    if (!is_known(open)) continue;
    count(open);
    counted_until_ = std::max(counted_until_, open.begin + span());
  }
  std::erase_if(open_, is_known);
}

}  // namespace serin::rollout
