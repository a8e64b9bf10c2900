// SPDX-License-Identifier: Apache-2.0
// One I/O thread's part of the gateway: the configuration that its next request begins with, the
// requests under way, random numbers. Everything here is for that thread.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "base/clock.h"
#include "gateway/access/door.h"
#include "gateway/access_log.h"
#include "gateway/copy.h"
#include "gateway/feedback/feedback_log.h"
#include "gateway/gateway.h"
#include "gateway/table.h"
#include "net/http/client.h"
#include "net/http/server.h"
#include "telemetry/metrics.h"
#include "telemetry/trace.h"

namespace serin::gateway {

class Forward;

// What all lanes share; outlives them.
struct Core {
  const Clock& clock;
  telemetry::Registry& registry;
  States& states;
  const telemetry::Tracer& tracer;
  AccessLog& log;
  const FeedbackLog& feedback_log;
  Door& door;
  // Instants as seconds since 1970, which is what the evidence counts in.
  Instant began;
  double began_unix = 0;
  GatewayOptions::PublicMetrics public_metrics = GatewayOptions::PublicMetrics::kAuto;
  CopyLimits copy_limits = {};
  std::unique_ptr<net::Client> client = {};    // on the lanes' threads
  std::atomic<std::uint64_t> copied_bytes{0};  // that copies under way hold
  std::atomic<bool> draining{false};

  double unix_seconds(Instant at) const {
    return began_unix + std::chrono::duration<double>(at - began).count();
  }
};

class Lane {
 public:
  Lane(Core& core, std::uint64_t random_seed);
  ~Lane();

  Core& core() { return core_; }
  const std::shared_ptr<const Table>& table() const { return table_; }
  void use(std::shared_ptr<const Table> table) { table_ = std::move(table); }
  std::uint64_t random();  // uniform

  // A request of the data port, from its head on.
  void serve(std::shared_ptr<net::Exchange> exchange);
  void tick();
  // The request has ended. It is destroyed a little later: its own code may be running.
  void retire(Forward& forward);
  std::string& log_lines() { return log_lines_; }
  Copies& copies() { return copies_; }

 private:
  Core& core_;
  std::shared_ptr<const Table> table_;
  std::uint64_t random_state_;
  std::vector<std::unique_ptr<Forward>> open_;
  std::vector<std::unique_ptr<Forward>> ended_;
  Copies copies_{*this};
  std::string log_lines_;
};

}  // namespace serin::gateway
