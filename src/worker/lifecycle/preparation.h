// SPDX-License-Identifier: Apache-2.0
// What a package needs done before it can be loaded and what a worker in its sandbox may not do:
// an exported program is compiled. A child of ours does it, started before the worker shuts itself
// in and before it has threads; it alone writes into the cache. One owner, one thread; what still
// runs at the end is killed, with all its children.
#pragma once

#include <filesystem>
#include <functional>
#include <memory>

#include "base/error.h"
#include "engine/engine.h"
#include "model/package.h"
#include "worker/lifecycle/sandbox.h"

namespace serin::worker {

class Preparation {
 public:
  // Null when the package needs none.
  static Result<std::unique_ptr<Preparation>> start(const model::Package& package,
                                                    const engine::EngineOptions& options);
  ~Preparation();
  Preparation(const Preparation&) = delete;
  Preparation& operator=(const Preparation&) = delete;

  // Lets a sandbox read what will be left in the cache for this package alone.
  void allow(Sandbox& sandbox) const { sandbox.read.push_back(folder_); }

  // Blocks until it is done; what went wrong there. Once. `compiling` is called when it turns out
  // that there is something to compile: what an earlier start left in the cache is done at once.
  Status finish(const std::function<void()>& compiling = {});

 private:
  Preparation(int child, int answer, std::filesystem::path folder)
      : child_(child), answer_(answer), folder_(std::move(folder)) {}

  int child_;
  int answer_;  // the pipe that the child writes its error to
  std::filesystem::path folder_;
};

}  // namespace serin::worker
