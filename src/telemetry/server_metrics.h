// SPDX-License-Identifier: Apache-2.0
// Metrics and HTTP: the answer to a scrape, and what a server counts of its connections.
#pragma once

#include "net/http/server.h"
#include "telemetry/metrics.h"

namespace serin::telemetry {

// The answer to GET /metrics, in the form that its head asks for.
net::Response scraped(const Registry& registry, const net::RequestHead& head);

// Read when somebody scrapes; the server outlives every exposition.
void measure_server(Registry& registry, const net::Server& server);

}  // namespace serin::telemetry
