// SPDX-License-Identifier: Apache-2.0
#include "gateway/policy/hedge.h"

#include <algorithm>

namespace serin::gateway {

void Hedging::began() { saved_ = std::min(kMostSaved, saved_ + limits_.max_extra_load); }

std::optional<Duration> Hedging::delay(bool bitwise, std::size_t others) const {
  if (limits_.max_extra_load <= 0 || !bitwise || others == 0 || times_.count() < kFewest)
    return std::nullopt;
  return std::max<Duration>(times_.quantile(limits_.quantile), limits_.min_delay);
}

bool Hedging::spend() {
  if (limits_.max_extra_load <= 0 || saved_ < 1) return false;
  saved_ -= 1;
  return true;
}

}  // namespace serin::gateway
