// SPDX-License-Identifier: Apache-2.0
// What a worker counts, under the field's names: OpenTelemetry's GenAI conventions where they have
// one (https://opentelemetry.io/docs/specs/semconv/gen-ai/gen-ai-metrics/), in Prometheus's
// spelling. Every series carries serin_service and serin_version. Counting is safe from any thread.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <map>
#include <mutex>
#include <string>
#include <string_view>

#include "engine/engine.h"
#include "telemetry/metrics.h"

namespace serin::worker {

// One route's requests: found once when routes are made, so that answering costs no look-up by
// name.
class RouteMetrics {
 public:
  RouteMetrics(telemetry::Registry& registry, std::string route);
  void answered(std::uint16_t status, Duration took);
  const std::string& route() const { return route_; }

 private:
  telemetry::Registry* registry_;
  std::string route_;
  telemetry::Histogram& duration_;
  std::array<std::atomic<telemetry::Counter*>, 600> by_status_{};  // made when first seen
};

class Metrics final : public engine::Observer {
 public:
  Metrics(const std::string& service, const std::string& version, const std::string& package);

  telemetry::Registry& registry() { return registry_; }

  void first_token(Duration took) { time_to_first_token_.observe(seconds(took)); }
  void next_token(Duration took) { time_per_output_token_.observe(seconds(took)); }
  void tokens(std::int64_t prompt, std::int64_t completion);
  void cancelled() { cancelled_.add(); }
  // An error was told to a client, under this code.
  void failed(const std::string& code);

  void batch_ran(std::int64_t rows, std::int64_t padded_rows, Duration took) override;
  void left_queue(Duration waited) override { queue_.observe(seconds(waited)); }

 private:
  static double seconds(Duration duration) {
    return std::chrono::duration<double>(duration).count();
  }

  telemetry::Registry registry_;
  telemetry::Histogram& queue_;
  telemetry::Histogram& time_to_first_token_;
  telemetry::Histogram& time_per_output_token_;
  telemetry::Histogram& batch_rows_;
  telemetry::Histogram& step_seconds_;
  telemetry::Counter& padded_rows_;
  telemetry::Counter& prompt_tokens_;
  telemetry::Counter& completion_tokens_;
  telemetry::Counter& cancelled_;
  std::mutex mutex_;
  std::map<std::string, telemetry::Counter*, std::less<>> errors_;  // guarded by mutex_
};

}  // namespace serin::worker
