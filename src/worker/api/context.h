// SPDX-License-Identifier: Apache-2.0
// What every API of a worker may use. Made once by the Worker, which owns all of it and outlives
// every call.
#pragma once

#include <atomic>
#include <memory>

#include "base/clock.h"
#include "base/log_room.h"
#include "engine/engine.h"
#include "engine/profile.h"
#include "engine/request.h"
#include "model/package.h"
#include "telemetry/trace.h"
#include "worker/jobs/video_runner.h"
#include "worker/lifecycle/readiness.h"
#include "worker/metrics.h"
#include "worker/options.h"
#include "worker/pool.h"
#include "worker/upstream/upstream.h"

namespace serin::worker::api {

class Relay;

inline constexpr int kLoggedFailuresPerMinute = 60;

struct Context {
  const WorkerOptions& options;
  const model::Package& package;
  const engine::RequestParser& parser;
  engine::Engine* engine;  // null: requests are relayed
  Metrics& metrics;
  const telemetry::Tracer& tracer;
  const Clock& clock;
  Pool& pool;
  std::atomic<bool>& draining;
  LogRoom& failures;             // of requests, in the log
  VideoStore* videos = nullptr;  // both null: the package makes none
  VideoRunner* video_runner = nullptr;
  // What was attested of the package on this profile ("bitwise"), as answers say it.
  std::string reproducible = "unknown";
  Upstream* upstream = nullptr;  // null: the package has its model itself
  Relay* relay = nullptr;        // null: there is an engine

  Readiness readiness() const;
  const std::string& service() const {
    return options.service.empty() ? package.manifest.name : options.service;
  }
  std::string profile() const {
    return engine == nullptr ? engine::kRemoteProfile : engine->profile();
  }
  // What clients may call the model: the service, the package's name, or "service:version".
  bool is_model(std::string_view name) const {
    return name == service() || name == package.manifest.name ||
           name == service() + ":" + options.version;
  }
};

}  // namespace serin::worker::api
