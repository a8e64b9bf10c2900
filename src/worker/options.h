// SPDX-License-Identifier: Apache-2.0
// Everything that `serin serve` can be told, with its defaults.
#pragma once

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "base/json.h"
#include "engine/engine.h"
#include "engine/request.h"
#include "net/http/server.h"
#include "telemetry/otlp_http.h"
#include "worker/jobs/video_store.h"
#include "worker/upstream/upstream_options.h"

namespace serin::worker {

struct WorkerOptions {
  std::filesystem::path package;
  std::string service;  // empty: the package's name
  std::string version = "v1";

  net::ServerOptions server;
  engine::EngineOptions engine;
  engine::RequestLimits requests;
  JsonLimits json;               // of bodies
  std::size_t choices = 16;      // n, and batched prompts, of one call
  std::size_t pool_tasks = 256;  // requests that wait to be read, being large
  std::uint64_t pixel_bytes = std::uint64_t{256} << 20;  // of one answer, before it is encoded

  std::vector<std::string> key_hashes;  // SHA-256 in hex of each accepted bearer key; empty: open
  std::filesystem::path trust;  // a public key or authority that must have signed the package
  bool pinned = false;          // whoever starts the worker has said the package's digest
  bool sandbox = true;

  std::chrono::milliseconds ready_within{60'000};  // a generation must have advanced within this
  std::chrono::milliseconds drain_within{30'000};
  std::chrono::milliseconds default_timeout{0};  // of a request without a deadline; 0: none
  std::filesystem::path state;                   // durable jobs; empty: none are kept
  VideoStore::Limits videos;

  UpstreamOptions upstream;  // of a remote package

  telemetry::TracingOptions tracing;
  std::string build;  // of the program, for serin_build_info
};

}  // namespace serin::worker
