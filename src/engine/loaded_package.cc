// SPDX-License-Identifier: Apache-2.0
#include "engine/loaded_package.h"

#include <utility>

namespace serin::engine {
namespace {

LoadOptions load_options(const model::Package& package, const EngineOptions& options) {
  LoadOptions load;
  load.model = package.file(package.manifest.model);
  load.call = package.manifest.call;
  load.device = options.device;
  load.threads = options.threads;
  load.memory_limit_bytes = options.memory_limit_bytes;
  load.cache = options.cache;
  return load;
}

}  // namespace

bool needs_preparation(const model::Manifest& manifest) {
  return manifest.engine == model::EngineKind::kTorch && manifest.model.ends_with(".pt2");
}

Status prepare_package(const model::Package& package, const EngineOptions& options) {
  SERIN_TRY_ASSIGN(const auto backend, create_backend(package.manifest.engine));
  SERIN_TRY(backend->load(load_options(package, options)));
  return {};
}

Result<LoadedPackage> load_package(const model::Package& package, const EngineOptions& options,
                                   const Clock& clock, Observer* observer) {
  SERIN_TRY_ASSIGN(auto parser, RequestParser::create(package));
  SERIN_TRY_ASSIGN(auto backend, create_backend(package.manifest.engine));
  SERIN_TRY_ASSIGN(auto model, backend->load(load_options(package, options)));
  SERIN_TRY_ASSIGN(auto loaded, load_package_with(package, std::move(parser), std::move(model),
                                                  clock, observer));
  loaded.backend = std::move(backend);
  return loaded;
}

Result<LoadedPackage> load_package_with(const model::Package& package, RequestParser parser,
                                        std::unique_ptr<Model> model, const Clock& clock,
                                        Observer* observer) {
  LoadedPackage loaded;
  loaded.parser = std::make_unique<RequestParser>(std::move(parser));
  loaded.caller = std::make_unique<ModelCaller>(std::move(model), clock, observer);
  SERIN_TRY_ASSIGN(loaded.loop,
                   make_loop(package.manifest, *loaded.caller, loaded.parser->shared_tokenizer()));
  return loaded;
}

}  // namespace serin::engine
