// SPDX-License-Identifier: Apache-2.0
// Faults on purpose, to see what clients make of them: some requests wait, some are answered with
// an error (Istio's HTTPFaultInjection, with its names). Pure.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "gateway/policy/attempt.h"
#include "net/http/message.h"

namespace serin::gateway {

struct FaultRules {
  double delay_percentage = 0;
  milliseconds fixed_delay{0};
  double abort_percentage = 0;
  int http_status = 503;
  std::string header = {};  // only requests that have it; empty: any
  bool operator==(const FaultRules&) const = default;
};

struct Fault {
  Duration delay{};          // zero: none
  std::uint16_t status = 0;  // 0: it is not aborted
};
// `for_delay` and `for_abort` are uniform in [0, 1) and independent: a request may have both.
Fault fault_for(const FaultRules& rules, const net::Headers& headers, double for_delay,
                double for_abort);

}  // namespace serin::gateway
