// SPDX-License-Identifier: Apache-2.0
// A package with its model loaded and everything that drives it, without a thread: what Engine,
// `verify` and `seal` all begin with. One owner, one thread at a time. `package` and `clock` must
// outlive it.
#pragma once

#include <functional>
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

// True for an exported program (.pt2), which is compiled for the machine before it can be loaded.
bool needs_preparation(const model::Manifest& manifest);
// Loads the model and lets it go, which leaves in options.cache what loading it needed: blocks for
// minutes and starts other programs, which a worker in its sandbox cannot. `compiling` is called
// before that, and not where it was done already.
Status prepare_package(const model::Package& package, const EngineOptions& options,
                       std::function<void()> compiling = {});
// The folder in options.cache where that is, named by the digest of the model's file: all of it
// that loading the package reads.
std::filesystem::path prepared_folder(const model::Package& package, const EngineOptions& options);

// Reads the file of model.yaml through its engine's shared object.
Result<LoadedPackage> load_package(const model::Package& package, const EngineOptions& options,
                                   const Clock& clock, Observer* observer);
Result<LoadedPackage> load_package_with(const model::Package& package, RequestParser parser,
                                        std::unique_ptr<Model> model, const Clock& clock,
                                        Observer* observer);

}  // namespace serin::engine
