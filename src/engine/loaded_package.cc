// SPDX-License-Identifier: Apache-2.0
#include "engine/loaded_package.h"

#include <algorithm>
#include <utility>

#include "base/check.h"

namespace serin::engine {
namespace {

Result<LoadedPackage> assemble(const model::Package& package, RequestParser parser,
                               std::unique_ptr<ModelCaller> caller) {
  LoadedPackage loaded;
  loaded.parser = std::make_unique<RequestParser>(std::move(parser));
  loaded.caller = std::move(caller);
  SERIN_TRY_ASSIGN(loaded.loop,
                   make_loop(package.manifest, *loaded.caller, loaded.parser->shared_tokenizer()));
  return loaded;
}

LoadOptions load_options(const model::Package& package, const EngineOptions& options) {
  LoadOptions load;
  load.model = package.file(package.manifest.model);
  load.call = package.manifest.call;
  load.device = options.device;
  load.threads = options.threads;
  load.memory_limit_bytes = options.memory_limit_bytes;
  load.cache = options.cache;
  load.upstream = options.upstream;
  return load;
}

}  // namespace

bool needs_preparation(const model::Manifest& manifest) {
  return manifest.engine == model::EngineKind::kTorch && manifest.model.ends_with(".pt2");
}

Status prepare_package(const model::Package& package, const EngineOptions& options,
                       std::function<void()> compiling) {
  SERIN_TRY_ASSIGN(const auto backend, create_backend(package.manifest.engine));
  LoadOptions load = load_options(package, options);
  load.compiling = std::move(compiling);
  SERIN_TRY(backend->load(load));
  return {};
}

std::filesystem::path prepared_folder(const model::Package& package, const EngineOptions& options) {
  const model::Manifest& manifest = package.manifest;
  const auto file = std::ranges::find(manifest.files, manifest.model, &model::FileEntry::path);
  SERIN_CHECK(file != manifest.files.end());  // open_package() lets no other through
  return options.cache / file->sha256;
}

Result<LoadedPackage> load_package(const model::Package& package, const EngineOptions& options,
                                   const Clock& clock, Observer* observer) {
  SERIN_TRY_ASSIGN(auto parser, RequestParser::create(package));
  SERIN_TRY_ASSIGN(auto backend, create_backend(package.manifest.engine));
  SERIN_TRY_ASSIGN(auto model, backend->load(load_options(package, options)));
  auto caller = std::make_unique<ModelCaller>(std::move(model), clock, observer);
  SERIN_TRY_ASSIGN(auto loaded, assemble(package, std::move(parser), std::move(caller)));
  loaded.backend = std::move(backend);
  return loaded;
}

Result<LoadedPackage> load_package_with(const model::Package& package, RequestParser parser,
                                        std::unique_ptr<Model> model, const Clock& clock,
                                        Observer* observer) {
  return assemble(package, std::move(parser),
                  std::make_unique<ModelCaller>(std::move(model), clock, observer));
}

}  // namespace serin::engine
