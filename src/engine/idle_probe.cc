// SPDX-License-Identifier: Apache-2.0
#include "engine/idle_probe.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "base/log.h"

namespace serin::engine {
namespace {

Sink probe_sink() {
  return [](const Event& event) {
    if (const auto* failed = std::get_if<Failed>(&event)) {
      log::warning("the idle engine's golden request failed", {{"error", failed->error.message}});
    }
  };
}

}  // namespace

Instant IdleProbe::due() const {
  if (!request_) return Instant::max();
  return std::max(caller_->pulse().last_advance, Instant(last_.load())) + interval_;
}

JobPtr IdleProbe::take(Instant now) {
  Duration last = last_.load();
  if (now < due() || !last_.compare_exchange_strong(last, now.time_since_epoch())) return nullptr;
  auto job = std::make_unique<Job>();
  job->request = *request_;
  job->sink = probe_sink();
  job->arrived = now;
  return job;
}

}  // namespace serin::engine
