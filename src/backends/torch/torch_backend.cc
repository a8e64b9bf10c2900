// SPDX-License-Identifier: Apache-2.0
// The shared object's one door.
#include <ATen/Parallel.h>
#include <c10/macros/Export.h>
#include <torch/csrc/jit/python/update_graph_executor_opt.h>
#include <torch/headeronly/version.h>

#include <mutex>

#include "backends/torch/compile.h"
#include "backends/torch/compiled_model.h"
#include "backends/torch/device.h"
#include "backends/torch/torch_model.h"
#include "backends/torch/torch_script.h"

namespace serin::backends {
namespace {

class TorchBackend final : public engine::Backend {
 public:
  std::string version() const override { return std::string("torch ") + TORCH_VERSION; }

  Result<std::vector<engine::Signature>> inspect(const std::filesystem::path& model) override {
    if (is_exported_program(model)) return inspect_programs(model);
    SERIN_TRY_ASSIGN(const torch::jit::Module module, load_script(model, c10::kCPU));
    return signatures_of(module);
  }

  Result<std::unique_ptr<engine::Model>> load(const engine::LoadOptions& options) override {
    // Freezing computes too: what it folds must not depend on how many cores the machine has.
    at::set_num_threads(options.threads);
    SERIN_TRY(prepare_device(options.device, options.memory_limit_bytes));
    if (is_exported_program(options.model)) {
      SERIN_TRY_ASSIGN(auto compiled, compiled_program(options));
      return CompiledModel::create(std::move(compiled), options);
    }
    SERIN_TRY_ASSIGN(torch::jit::Module module,
                     load_script(options.model, torch_device(options.device)));
    return TorchModel::create(module, options);
  }
};

// The profiling executor runs the first calls of every shape one way and later ones another; a
// generation must be the same function each time, so graphs run as they were frozen.
void settle() {
  static std::once_flag once;
  std::call_once(once, [] {
    torch::jit::setGraphExecutorOptimize(false);
    at::set_num_interop_threads(1);
  });
}

}  // namespace
}  // namespace serin::backends

extern "C" __attribute__((visibility("default"))) serin::engine::Backend* serin_create_backend(
    serin::log::Settings log) {
  serin::log::configure(log);
  serin::backends::settle();
  return new serin::backends::TorchBackend();
}
