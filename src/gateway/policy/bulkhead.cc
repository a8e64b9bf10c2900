// SPDX-License-Identifier: Apache-2.0
#include "gateway/policy/bulkhead.h"

#include <algorithm>
#include <cmath>

namespace serin::gateway {
namespace {

constexpr double kNearlyFull = 0.8;  // of the limit: from here on clients share what is left

}  // namespace

std::string_view name_of(Fit fit) {
  switch (fit) {
    case Fit::kFits:
      return "fits";
    case Fit::kFull:
      return "full";
    case Fit::kPriority:
      return "priority";
    case Fit::kUnfair:
      return "unfair";
  }
  return "";
}

Fit fit(const Load& load, const PriorityShares& shares) {
  if (load.in_flight >= load.limit) return Fit::kFull;
  const auto part = [&](double share) {
    return std::max(1, static_cast<int>(std::floor(share * load.limit)));
  };
  const int allowed = part(shares.of(load.priority));
  if (load.in_flight >= allowed) return Fit::kPriority;
  // The client that asks counts among those who share, also while it has nothing yet.
  const int sharing = load.clients + (load.mine == 0 ? 1 : 0);
  if (load.clients > 0 && sharing > 1 &&
      load.in_flight >= part(kNearlyFull * shares.of(load.priority)) &&
      load.mine * sharing >= allowed)
    return Fit::kUnfair;
  return Fit::kFits;
}

}  // namespace serin::gateway
