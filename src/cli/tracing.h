// SPDX-License-Identifier: Apache-2.0
// Where spans go: options that `serin serve`, `serin gateway` and `serin up` have in common.
#pragma once

#include <string>
#include <vector>

#include "telemetry/otlp_http.h"

namespace CLI {
class App;
}

namespace serin::cli {

// --otlp and --trace-share; where they are not on the line, OpenTelemetry's variables of the
// environment.
void add_tracing_options(CLI::App& command, telemetry::TracingOptions& options);
// The same as arguments of another command; none where nothing is sent.
std::vector<std::string> arguments_of(const telemetry::TracingOptions& options);

}  // namespace serin::cli
