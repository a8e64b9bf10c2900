// SPDX-License-Identifier: Apache-2.0
#include "backends/torch/compiled_model.h"

#include <algorithm>
#include <stdexcept>
#include <utility>

#include "backends/torch/held_errors.h"
#include "backends/torch/torch_script.h"

namespace serin::backends {

Result<std::unique_ptr<engine::Model>> CompiledModel::create(CompiledProgram compiled,
                                                             const engine::LoadOptions& options) {
  try {
    auto runner = std::make_unique<torch::inductor::AOTIModelContainerRunnerCpu>(
        compiled.library.string(), 1);
    return std::unique_ptr<engine::Model>(
        new CompiledModel(std::move(compiled), std::move(runner), options));
  } catch (const std::exception& problem) {
    return fail(error_of_exception(problem).within("cannot load the compiled program"));
  }
}

CompiledModel::CompiledModel(CompiledProgram compiled, std::unique_ptr<Runner> runner,
                             const engine::LoadOptions& options)
    : TensorModel(options), compiled_(std::move(compiled)), runner_(std::move(runner)) {
  const auto& given = compiled_.program.results;
  for (std::size_t i = 0; i < declared().results.size(); ++i) {
    const auto named = std::find_if(given.begin(), given.end(), [&](const ProgramValue& value) {
      return value.name == declared().results[i].name;
    });
    order_.push_back(compiled_.program.results_named
                         ? static_cast<std::size_t>(named - given.begin())
                         : i);  // check_call() has seen that each name is there
  }
}

Result<std::vector<at::Tensor>> CompiledModel::compute(std::vector<at::Tensor> arguments) {
  std::vector<Shape> shapes;
  for (at::Tensor& argument : arguments) {
    // Compiled code takes the strides for granted; a cache may come back with others.
    argument = argument.contiguous();
    shapes.emplace_back(argument.sizes().begin(), argument.sizes().end());
  }
  SERIN_TRY(check_shapes(compiled_.program, shapes));
  std::vector<at::Tensor> given;
  const HeldErrors errors;
  try {
    given = runner_->boxed_run(std::move(arguments));
  } catch (const std::exception&) {
    const std::string reason = errors.reason();
    if (reason.empty()) throw;
    throw std::runtime_error(reason);
  }
  if (given.size() != order_.size()) {
    return fail(Code::kInternal, "the compiled program gives " + std::to_string(given.size()) +
                                     " results, not " + std::to_string(order_.size()));
  }
  std::vector<at::Tensor> results;
  for (const std::size_t place : order_) results.push_back(given[place]);
  return results;
}

}  // namespace serin::backends
