// SPDX-License-Identifier: Apache-2.0
// How many frames that cost work and carry nothing a client may send: PING, SETTINGS, PRIORITY,
// empty DATA, and frames that break rules. A token bucket; owned by one H2Session, on its thread.
#pragma once

#include <algorithm>
#include <chrono>

#include "base/clock.h"

namespace serin::net {

class H2IdleFrames {
 public:
  explicit H2IdleFrames(Instant now) : at_(now) {}

  // One more came; false when it is one too many.
  bool take(Instant now) {
    const double seconds = std::chrono::duration<double>(now - at_).count();
    left_ = std::min(kBurst, left_ + seconds * kRate) - 1;
    at_ = now;
    return left_ >= 0;
  }

 private:
  static constexpr double kBurst = 1000;
  static constexpr double kRate = 100;  // a second

  double left_ = kBurst;
  Instant at_;
};

}  // namespace serin::net
