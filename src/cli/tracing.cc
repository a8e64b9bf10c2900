// SPDX-License-Identifier: Apache-2.0
#include "cli/tracing.h"

#include <CLI/CLI.hpp>

#include <sstream>
#include "cli/takes.h"

namespace serin::cli {

void add_tracing_options(CLI::App& command, telemetry::TracingOptions& options) {
  command
      .add_option("--otlp", options.endpoint,
                  "OpenTelemetry collector that gets a span for each request, http://host:4318")
      ->envname("OTEL_EXPORTER_OTLP_ENDPOINT")
      ->group("Traces");
  takes_between(command.add_option("--trace-share", options.share,
                                   "Part of the traces that begin here and are sent; those that a "
                                   "client began keep its choice"),
                0, 1)
      ->envname("OTEL_TRACES_SAMPLER_ARG")
      ->capture_default_str()
      ->group("Traces");
}

std::vector<std::string> arguments_of(const telemetry::TracingOptions& options) {
  if (options.endpoint.empty()) return {};
  std::ostringstream share;
  share << options.share;
  return {"--otlp=" + options.endpoint, "--trace-share=" + share.str()};
}

}  // namespace serin::cli
