// SPDX-License-Identifier: Apache-2.0
#include "gateway/policy/fault.h"

namespace serin::gateway {

Fault fault_for(const FaultRules& rules, const net::Headers& headers, double for_delay,
                double for_abort) {
  if (!rules.header.empty() && !headers.find(rules.header)) return {};
  Fault fault;
  if (for_delay * 100 < rules.delay_percentage) fault.delay = rules.fixed_delay;
  if (for_abort * 100 < rules.abort_percentage)
    fault.status = static_cast<std::uint16_t>(rules.http_status);
  return fault;
}

}  // namespace serin::gateway
