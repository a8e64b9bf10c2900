// SPDX-License-Identifier: Apache-2.0
// The microservice: one process that serves one package. It listens first (so that probes see it
// start), then loads, then serves until it is told to stop.
#pragma once

#include <memory>

#include "base/error.h"
#include "worker/options.h"

namespace serin::worker {

class Worker {
 public:
  // Checks the package and its signature, shuts the process in (lifecycle/sandbox.h) and listens.
  // Must be called before the process has other threads. Everything wrong with the package that can
  // be known without the framework is said here, but for bytes of a file that are not the listed
  // ones: load() may say that (docs/decisions/0070).
  static Result<std::unique_ptr<Worker>> create(WorkerOptions options);
  virtual ~Worker() = default;

  // Loads the model, runs the golden requests and compares digests that create() did not; from then
  // on the worker is ready. Blocks for as long as that takes.
  virtual Status load() = 0;
  // Stops being ready, lets what runs finish, and returns; true when nothing was cut.
  virtual bool drain() = 0;

  virtual std::uint16_t port() const = 0;
};

}  // namespace serin::worker
