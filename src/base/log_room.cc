// SPDX-License-Identifier: Apache-2.0
#include "base/log_room.h"

#include <utility>

namespace serin {

std::optional<std::uint64_t> LogRoom::take(Instant now) {
  const std::lock_guard lock(mutex_);
  if (now - began_ >= period_) {
    began_ = now;
    written_ = 0;
  }
  if (written_ == most_) {
    ++left_out_;
    return std::nullopt;
  }
  ++written_;
  return std::exchange(left_out_, 0);
}

}  // namespace serin
