// SPDX-License-Identifier: Apache-2.0
// How much of the log a flood may take: so many entries of one kind in a period. What is left out
// is counted, and told with the next entry. Safe from any thread.
#pragma once

#include <cstdint>
#include <mutex>
#include <optional>

#include "base/clock.h"

namespace serin {

class LogRoom {
 public:
  LogRoom(int entries, Duration period) : most_(entries), period_(period) {}

  // How many were left out before this one, which is to be written. Nothing: this one is left out.
  std::optional<std::uint64_t> take(Instant now);

 private:
  const int most_;
  const Duration period_;
  std::mutex mutex_;
  Instant began_{};  // the present period
  int written_ = 0;  // in it
  std::uint64_t left_out_ = 0;
};

}  // namespace serin
