// SPDX-License-Identifier: Apache-2.0
#include "backends/torch/torch_model.h"

#include <torch/csrc/jit/ir/alias_analysis.h>
#include <torch/csrc/jit/passes/inliner.h>
#include <torch/csrc/jit/runtime/graph_executor.h>

#include <utility>

#include "backends/torch/torch_script.h"
#include "base/log.h"

namespace serin::backends {
namespace {

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

void forget_callers(torch::jit::Function& function, torch::jit::Block& block) {
  for (torch::jit::Node* node : block.nodes()) {
    if (node->callstack())
      node->setCallStack(
          c10::make_intrusive<torch::jit::InlinedCallStack>(&function, node->sourceRange()));
    for (torch::jit::Block* inner : node->blocks()) forget_callers(function, *inner);
  }
}

// What was inlined points to the functions that it comes from, which the interpreter names when a
// call fails; freezing has removed them.
void forget_callers(torch::jit::Function& function) {
  forget_callers(function, *torch::jit::toGraphFunction(function).graph()->block());
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

Result<std::unique_ptr<engine::Model>> TorchModel::create(const torch::jit::Module& module,
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
    forget_callers(made_method.function());
    std::unique_ptr<TorchModel> model(
        new TorchModel(std::move(made), std::move(made_method), options));
    log::debug("the model is ready to run",
               {{"method", options.call.method}, {"weight_bytes", model->weight_bytes_}});
    return model;
  } catch (const std::exception& problem) {
    return fail(error_of_exception(problem).within("cannot prepare the model"));
  }
}

TorchModel::TorchModel(torch::jit::Module module, torch::jit::Method method,
                       const engine::LoadOptions& options)
    : TensorModel(options), module_(std::move(module)), method_(std::move(method)) {
  find_written_arguments();
  count_weights();
}

void TorchModel::find_written_arguments() {
  const auto graph = torch::jit::toGraphFunction(method_.function()).graph()->copy();
  torch::jit::Inline(*graph);
  const torch::jit::AliasDb aliases(graph);
  for (std::size_t i = 0; i < declared().arguments.size(); ++i) {
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

Result<std::vector<at::Tensor>> TorchModel::compute(std::vector<at::Tensor> arguments) {
  torch::jit::Stack stack(std::make_move_iterator(arguments.begin()),
                          std::make_move_iterator(arguments.end()));
  return results_of(method_(std::move(stack)));
}

Result<std::vector<at::Tensor>> TorchModel::results_of(const c10::IValue& value) const {
  std::vector<at::Tensor> tensors;
  const auto not_tensors = [this] {
    return fail(Code::kInternal,
                "the method " + declared().method +
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
    for (const model::ResultSpec& result : declared().results) {
      const auto found = dict.find(result.name);
      if (found == dict.end() || !found->value().isTensor())
        return fail(Code::kInternal,
                    "the method " + declared().method + " gives no tensor named " + result.name);
      tensors.push_back(found->value().toTensor());
    }
  } else {
    return not_tensors();
  }
  if (tensors.size() == declared().results.size()) return tensors;
  return fail(Code::kInternal,
              "the method " + declared().method + " gives " + std::to_string(tensors.size()) +
                  " results, the package declares " + std::to_string(declared().results.size()));
}

}  // namespace serin::backends
