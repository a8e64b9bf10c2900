// SPDX-License-Identifier: Apache-2.0
// How services and their rollouts stand, as gauges: looked up when somebody scrapes, so that what
// is gone is told no more. Names and labels are listed in docs/observability.md.
#pragma once

#include <vector>

#include "control/controller.h"
#include "net/http/message.h"
#include "telemetry/metrics.h"

namespace serin::control::api {

// In place of what it wrote before.
void measure(telemetry::Registry& registry, const std::vector<ServiceView>& views);

// The answer to GET /metrics: all that the control plane measures. From any thread; waits for one
// service's pass at a time.
net::Response scraped(Controller& controller, const net::RequestHead& head);

}  // namespace serin::control::api
