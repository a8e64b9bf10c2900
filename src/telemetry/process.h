// SPDX-License-Identifier: Apache-2.0
// What every program that Prometheus reads says of its process, under the names that its clients
// agreed on (https://prometheus.io/docs/instrumenting/writing_clientlibs/#process-metrics), and
// which build it is. Read from /proc/self when somebody scrapes; what cannot be read is left as 0.
#pragma once

#include <string_view>

#include "base/clock.h"
#include "telemetry/metrics.h"

namespace serin::telemetry {

// `build`: the version of the program.
void measure_process(Registry& registry, std::string_view build, const Clock& clock);

}  // namespace serin::telemetry
