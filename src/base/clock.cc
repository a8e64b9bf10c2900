// SPDX-License-Identifier: Apache-2.0
#include "base/clock.h"

namespace serin {
namespace {

class RealClock final : public Clock {
 public:
  Instant now() const override { return std::chrono::steady_clock::now(); }
  std::chrono::system_clock::time_point wall() const override {
    return std::chrono::system_clock::now();
  }
};

// Where a ManualClock's wall starts: 2001-09-09T01:46:40Z, easy to recognise in a failed test.
constexpr std::chrono::seconds kManualEpoch{1'000'000'000};

}  // namespace

const Clock& Clock::real() {
  static const RealClock clock;
  return clock;
}

std::chrono::system_clock::time_point ManualClock::wall() const {
  return std::chrono::system_clock::time_point(
      std::chrono::duration_cast<std::chrono::system_clock::duration>(kManualEpoch +
                                                                      offset_.load()));
}

std::int64_t unix_seconds(const Clock& clock) {
  return std::chrono::duration_cast<std::chrono::seconds>(clock.wall().time_since_epoch()).count();
}

}  // namespace serin
