// SPDX-License-Identifier: Apache-2.0
#include "backends/torch/torch_model.h"

#include <ATen/Parallel.h>
#include <c10/core/InferenceMode.h>
#include <torch/csrc/jit/ir/alias_analysis.h>
#include <torch/csrc/jit/passes/inliner.h>
#include <torch/csrc/jit/runtime/graph_executor.h>

#include <utility>

#include "backends/torch/device.h"
#include "backends/torch/tensors.h"
#include "backends/torch/torch_script.h"
#include "base/log.h"

namespace serin::backends {
namespace {

struct TorchState final : engine::State {
  std::vector<engine::Model::Carry> pairs;
  std::vector<at::Tensor> tensors;  // in the order of pairs
  std::int64_t batch = 0;
};

// Freezing folds weights into the graph as constants. A module that changes its own attributes
// cannot be frozen, and runs as it is.
torch::jit::Module frozen(const torch::jit::Module& module, const std::string& method) {
  try {
    std::vector<std::string> kept;
    if (method != "forward") kept.push_back(method);
    return torch::jit::freeze(module, kept);
  } catch (const std::exception& problem) {
    log::debug("the model cannot be frozen and runs as it is",
               {{"reason", error_of_exception(problem).message}});
    return module;
  }
}

Status check_schema(const c10::FunctionSchema& schema, const model::Call& call) {
  const auto& takes = schema.arguments();
  std::size_t needed = 0;
  for (std::size_t i = 1; i < takes.size(); ++i) {
    if (!takes[i].default_value()) needed = i;
    if (i > call.arguments.size()) continue;
    const auto& type = takes[i].type();
    if (!c10::TensorType::get()->isSubtypeOf(*type)) {
      return invalid("argument " + takes[i].name() + " of the method " + call.method + " is a " +
                         type->repr_str() + ", not a tensor",
                     "call.arguments");
    }
  }
  if (call.arguments.size() < needed || call.arguments.size() + 1 > takes.size()) {
    return invalid("the method " + call.method + " takes " + std::to_string(takes.size() - 1) +
                       " arguments, the package declares " + std::to_string(call.arguments.size()),
                   "call.arguments");
  }
  return {};
}

std::string methods_of(const torch::jit::Module& module) {
  std::string names;
  for (const auto& method : module.get_methods()) {
    if (!method.name().starts_with("__")) names += (names.empty() ? "" : ", ") + method.name();
  }
  return names;
}

}  // namespace

Result<std::unique_ptr<engine::Model>> TorchModel::create(torch::jit::Module module,
                                                          const engine::LoadOptions& options) {
  const auto method = module.find_method(options.call.method);
  if (!method) {
    return invalid(
        "the model has no method \"" + options.call.method + "\"; it has " + methods_of(module),
        "call.method");
  }
  SERIN_TRY(check_schema(method->function().getSchema(), options.call));
  try {
    // Calls between methods are inlined only while the optimiser is on; running goes on without it
    // (see settle()).
    const torch::jit::GraphOptimizerEnabledGuard inlining(true);
    torch::jit::Module made = frozen(module, options.call.method);
    auto made_method = made.get_method(options.call.method);
    return std::unique_ptr<engine::Model>(
        new TorchModel(std::move(made), std::move(made_method), options));
  } catch (const std::exception& problem) {
    return fail(error_of_exception(problem).within("cannot prepare the model"));
  }
}

TorchModel::TorchModel(torch::jit::Module module, torch::jit::Method method,
                       const engine::LoadOptions& options)
    : module_(std::move(module)),
      method_(std::move(method)),
      call_(options.call),
      device_(options.device),
      threads_(options.threads),
      lane_(make_lane(options.device)) {
  find_written_arguments();
  count_weights();
}

void TorchModel::find_written_arguments() {
  const auto graph = torch::jit::toGraphFunction(method_.function()).graph()->copy();
  torch::jit::Inline(*graph);
  const torch::jit::AliasDb aliases(graph);
  for (std::size_t i = 0; i < call_.arguments.size(); ++i) {
    written_.push_back(aliases.hasWriters(graph->inputs()[i + 1]));
  }
}

void TorchModel::count_weights() {
  const auto count = [this](const at::Tensor& tensor) {
    weight_bytes_ += tensor.defined() ? tensor.nbytes() : 0;
  };
  for (const at::Tensor& tensor : module_.parameters()) count(tensor);
  for (const at::Tensor& tensor : module_.buffers()) count(tensor);
  for (const torch::jit::Node* node :
       torch::jit::toGraphFunction(method_.function()).graph()->nodes()) {
    if (node->kind() == c10::prim::Constant && node->hasAttribute(c10::attr::value) &&
        node->kindOf(c10::attr::value) == torch::jit::AttributeKind::t) {
      count(node->t(c10::attr::value));
    }
  }
}

Result<std::unique_ptr<engine::State>> TorchModel::make_state(std::span<const Carry> pairs,
                                                              std::int64_t batch) {
  SERIN_TRY(check_carry(call_, pairs));
  auto state = std::make_unique<TorchState>();
  state->batch = batch;
  try {
    const c10::InferenceMode guard;
    for (const Carry& pair : pairs) {
      const model::Argument& argument = call_.arguments[pair.argument];
      SERIN_TRY_ASSIGN(const Shape shape, concrete_shape(argument.shape, {.batch = batch}));
      state->pairs.push_back(pair);
      state->tensors.push_back(lane_->zeros(shape, scalar_type_of(argument.dtype)));
    }
  } catch (const std::exception& problem) {
    lane_->release();
    return fail(error_of_exception(problem).within("cannot make the cache"));
  }
  return state;
}

std::vector<at::Tensor> TorchModel::inputs_of(std::span<const Tensor> arguments,
                                              const std::vector<const at::Tensor*>& carried) const {
  std::vector<at::Tensor> inputs;
  inputs.reserve(arguments.size());
  for (std::size_t i = 0; i < arguments.size(); ++i) {
    if (carried[i] != nullptr) {
      inputs.push_back(
          *carried[i]);  // the state's own: what the method writes into it, it gives back
      continue;
    }
    // A GPU's lane copies anyway.
    const bool copy = written_[i] && device_.kind == engine::Device::Kind::kCpu;
    at::Tensor view = view_of(arguments[i]);
    inputs.push_back(copy ? view.clone() : std::move(view));
  }
  return inputs;
}

Result<std::vector<at::Tensor>> TorchModel::call(std::vector<at::Tensor> inputs) {
  return lane_->call(std::move(inputs), [this](std::vector<at::Tensor> tensors) {
    torch::jit::Stack stack(std::make_move_iterator(tensors.begin()),
                            std::make_move_iterator(tensors.end()));
    return results_of(method_(std::move(stack)));
  });
}

Result<std::vector<at::Tensor>> TorchModel::results_of(const c10::IValue& value) const {
  std::vector<at::Tensor> tensors;
  const auto not_tensors = [this] {
    return fail(Code::kInternal,
                "the method " + call_.method +
                    " gives something else than a tensor, or a tuple, list or dict of tensors");
  };
  if (value.isTensor()) {
    tensors.push_back(value.toTensor());
  } else if (value.isTuple()) {
    for (const c10::IValue& element : value.toTupleRef().elements()) {
      if (!element.isTensor()) return not_tensors();
      tensors.push_back(element.toTensor());
    }
  } else if (value.isTensorList()) {
    tensors = value.toTensorVector();
  } else if (value.isGenericDict()) {
    const auto dict = value.toGenericDict();
    for (const model::ResultSpec& result : call_.results) {
      const auto found = dict.find(result.name);
      if (found == dict.end() || !found->value().isTensor())
        return fail(Code::kInternal,
                    "the method " + call_.method + " gives no tensor named " + result.name);
      tensors.push_back(found->value().toTensor());
    }
  } else {
    return not_tensors();
  }
  if (tensors.size() == call_.results.size()) return tensors;
  return fail(Code::kInternal,
              "the method " + call_.method + " gives " + std::to_string(tensors.size()) +
                  " results, the package declares " + std::to_string(call_.results.size()));
}

Result<std::vector<Tensor>> TorchModel::run(std::span<const Tensor> arguments,
                                            engine::State* state) {
  auto* held = static_cast<TorchState*>(state);
  std::vector<const at::Tensor*> carried(call_.arguments.size(), nullptr);
  std::vector<bool> is_carried(call_.arguments.size(), false);
  for (std::size_t i = 0; held != nullptr && i < held->pairs.size(); ++i) {
    carried[held->pairs[i].argument] = &held->tensors[i];
    is_carried[held->pairs[i].argument] = true;
  }
  Dimensions known;
  if (held != nullptr) known.batch = held->batch;
  SERIN_TRY_ASSIGN(const Dimensions dimensions,
                   check_arguments(call_, arguments, is_carried, known));
  try {
    const c10::InferenceMode guard;
    at::set_num_threads(
        threads_);  // OpenMP keeps the count a thread, and the thread may have changed
    SERIN_TRY_ASSIGN(std::vector<at::Tensor> given, call(inputs_of(arguments, carried)));
    std::vector<Tensor> results(given.size());
    std::vector<std::size_t> pair_of(given.size(), SIZE_MAX);
    for (std::size_t i = 0; held != nullptr && i < held->pairs.size(); ++i)
      pair_of[held->pairs[i].result] = i;
    for (std::size_t i = 0; i < given.size(); ++i) {
      const auto dtype = dtype_of(given[i].scalar_type());
      if (!dtype)
        return fail(Code::kInternal,
                    "result " + call_.results[i].name + " has a dtype that packages do not know");
      SERIN_TRY(check_result(call_.results[i], *dtype,
                             Shape(given[i].sizes().begin(), given[i].sizes().end()), dimensions));
    }
    for (std::size_t i = 0; i < given.size(); ++i) {
      if (pair_of[i] != SIZE_MAX) held->tensors[pair_of[i]] = std::exchange(given[i], {});
    }
    lane_->bring_home(given);
    for (std::size_t i = 0; i < given.size(); ++i) {
      if (!given[i].defined()) continue;
      // Memory that somebody else holds too (a weight, an argument) may change after this call.
      const bool shared = given[i].storage().use_count() > 1 || given[i].use_count() > 1 ||
                          lies_in(given[i].const_data_ptr(), arguments);
      results[i] = host_tensor(shared ? given[i].clone() : given[i], call_.results[i].dtype);
    }
    return results;
  } catch (const std::exception& problem) {
    Error error = error_of_exception(problem);
    if (error.code == Code::kResourceExhausted) lane_->release();
    return fail(std::move(error));
  }
}

std::uint64_t TorchModel::device_memory_bytes() const {
  return device_.kind == engine::Device::Kind::kCpu ? weight_bytes_ : lane_->allocated_bytes();
}

}  // namespace serin::backends
