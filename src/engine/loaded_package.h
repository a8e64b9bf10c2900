// SPDX-License-Identifier: Apache-2.0
// A package with its model loaded and everything that drives it, without a thread: what Engine,
// `verify` and `seal` all begin with. One owner, one thread at a time. `package` and `clock` must
// outlive it.
#pragma once

#include <memory>

#include "engine/loops/loop.h"
#include "engine/model_caller.h"
#include "engine/request.h"

namespace serin::engine {

struct LoadedPackage {
  std::unique_ptr<Backend> backend;  // null where a model was given
  std::unique_ptr<RequestParser> parser;
  std::unique_ptr<ModelCaller> caller;
  std::unique_ptr<Loop> loop;
};

// Reads the file of model.yaml through its engine's shared object.
Result<LoadedPackage> load_package(const model::Package& package, const EngineOptions& options,
                                   const Clock& clock, Observer* observer);
Result<LoadedPackage> load_package_with(const model::Package& package, RequestParser parser,
                                        std::unique_ptr<Model> model, const Clock& clock,
                                        Observer* observer);

}  // namespace serin::engine
