// SPDX-License-Identifier: Apache-2.0
// Sends ended spans to an OpenTelemetry collector: OTLP over HTTP in JSON
// (https://opentelemetry.io/docs/specs/otlp/#otlphttp). The worker owns one; a thread of its own
// batches and posts.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>

#include "base/error.h"
#include "telemetry/trace.h"

namespace serin::telemetry {

struct OtlpOptions {
  std::string endpoint;            // "http://localhost:4318"; "/v1/traces" is put behind it
  Attributes resource;             // service.name and so on
  std::size_t queue_spans = 2048;  // beyond this many waiting, spans are dropped
  std::size_t batch_spans = 512;
  std::chrono::milliseconds interval{2000};  // the longest that a span waits for others
};

class OtlpExporter final : public SpanSink {
 public:
  // Posts `body` as application/json and blocks until it is answered or given up; called on the
  // exporter's thread only.
  using Post = std::function<Status(const std::string& url, const std::string& body)>;

  OtlpExporter(OtlpOptions options, Post post);
  ~OtlpExporter() override;  // sends what waits, once

  void take(SpanRecord record) override;
  // Blocks until everything taken so far was sent or given up; false when that takes longer.
  bool flush(std::chrono::milliseconds at_most);

  std::uint64_t sent() const;
  std::uint64_t dropped() const;  // the queue was full, or the collector did not take them

 private:
  struct State;
  std::unique_ptr<State> state_;
};

// The body of one post; pure.
std::string otlp_json(const Attributes& resource, std::span<const SpanRecord> spans);

}  // namespace serin::telemetry
