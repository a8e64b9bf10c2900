// SPDX-License-Identifier: Apache-2.0
// How one version did lately, for people who watch. Pure; one thread. Nothing is decided by it.
#pragma once

#include <cstdint>
#include <deque>
#include <optional>

#include "control/record.h"
#include "rollout/request.h"

namespace serin::control {

// Of the requests that ended in the last Recent::kWindow.
struct Lately {
  double rate = 0;                 // requests in a second
  double errors = 0;               // the part of them that failed
  std::optional<double> p50, p95;  // of the whole duration, in seconds; unset without an answer
  std::optional<double> first_token_p95;
};

class Recent {
 public:
  static constexpr std::chrono::seconds kWindow{30};
  static constexpr std::size_t kMost = 4096;  // requests; at a higher rate the window is shorter

  void add(Moment now, const rollout::Request& request);
  Lately lately(Moment now) const;

 private:
  struct Ended {
    Moment at{};
    bool failed = false;
    std::optional<double> latency;
    std::optional<double> first_token;
  };
  std::deque<Ended> ended_;
  Moment since_{};  // of the first that was added
};

}  // namespace serin::control
