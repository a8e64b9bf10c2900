// SPDX-License-Identifier: Apache-2.0
// What a process needs to be traced: a tracer, and where there is a collector, an exporter with an
// HTTP client of its own.
#pragma once

#include <memory>
#include <string>

#include "base/clock.h"
#include "telemetry/metrics.h"
#include "telemetry/otlp.h"

namespace serin::telemetry {

struct TracingOptions {
  std::string endpoint;  // of the collector, "http://localhost:4318"; empty: no spans are sent
  double share = 1;      // of the traces that begin here, 0 to 1
};

// Shared by all threads; outlives their spans. What waits is sent when it goes, once.
class Tracing {
 public:
  // `resource`: service.name and so on. Counts what was sent and what was dropped in `registry`,
  // which is read no more once this goes.
  static Result<std::unique_ptr<Tracing>> create(const TracingOptions& options, Attributes resource,
                                                 const Clock& clock);
  const Tracer& tracer() const { return tracer_; }
  // Spans sent, and those that the collector did not take or there was no room for. Nothing
  // without a collector.
  void measure(Registry& registry) const;

 private:
  Tracing(std::unique_ptr<OtlpExporter> exporter, const Clock& clock, double share);
  std::unique_ptr<OtlpExporter> exporter_;
  Tracer tracer_;
};

}  // namespace serin::telemetry
