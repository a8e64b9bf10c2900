// SPDX-License-Identifier: Apache-2.0
#include "backends/torch/graph_check.h"

#include <ATen/core/Tensor.h>
#include <torch/csrc/jit/api/compilation_unit.h>
#include <torch/csrc/jit/api/module.h>
#include <torch/csrc/jit/ir/ir.h>

#include "backends/call_check.h"
#include "backends/torch/source_scan.h"
#include "backends/torch/tensors.h"

namespace serin::backends {
namespace {

using torch::jit::Block;
using torch::jit::Function;
using torch::jit::Node;

// The first operation of a block, or of those inside it, that is not allowed; empty when there is
// none.
std::string forbidden_in(const Block* block) {
  for (const Node* node : block->nodes()) {
    const std::string name = node->kind().toQualString();
    if (!is_allowed_operation(name)) return name;
    if (node->kind() == c10::prim::CreateObject) {
      const auto type = node->output()->type()->cast<c10::ClassType>();
      if (type && type->name() && !is_allowed_class(type->name()->qualifiedName()))
        return type->name()->qualifiedName();
    }
    for (const Block* inner : node->blocks()) {
      if (std::string found = forbidden_in(inner); !found.empty()) return found;
    }
  }
  return {};
}

Status check_function(Function& function) {
  if (!function.isGraphFunction()) return {};
  const std::string found = forbidden_in(torch::jit::toGraphFunction(function).graph()->block());
  if (found.empty()) return {};
  return fail(Code::kPermissionDenied,
              "the model uses " + found + " in " + function.qualname().qualifiedName() +
                  "; operations on files, the network or Python are not run");
}

Status check_tensor(const at::Tensor& tensor, const std::string& name) {
  if (!tensor.defined() || !tensor.is_floating_point() || tensor.layout() != at::kStrided ||
      tensor.is_quantized())
    return {};
  const at::Tensor host = tensor.detach().to(at::kCPU).contiguous();
  const auto dtype = dtype_of(host.scalar_type());
  if (!dtype) return {};
  const std::span<const std::byte> bytes(static_cast<const std::byte*>(host.const_data_ptr()),
                                         host.nbytes());
  if (!holds_nan(*dtype, bytes)) return {};
  return fail(Code::kDataLoss, "the weights " + name + " hold a NaN");
}

Status check_constants(const Block* block, const std::string& method) {
  for (const Node* node : block->nodes()) {
    if (node->kind() == c10::prim::Constant && node->hasAttribute(c10::attr::value) &&
        node->kindOf(c10::attr::value) == torch::jit::AttributeKind::t) {
      SERIN_TRY(check_tensor(node->t(c10::attr::value), "of a constant of " + method));
    }
    for (const Block* inner : node->blocks()) SERIN_TRY(check_constants(inner, method));
  }
  return {};
}

}  // namespace

Status check_operations(const torch::jit::Module& module) {
  // Every function that the archive brought: methods of all classes, free functions, also those
  // that nothing calls.
  for (Function* function : module._ivalue()->compilation_unit()->get_functions())
    SERIN_TRY(check_function(*function));
  for (const torch::jit::Module& part : module.modules()) {
    const auto type = part.type();
    if (type->name() && !is_allowed_class(type->name()->qualifiedName())) {
      return fail(Code::kPermissionDenied, "the model holds a " + type->name()->qualifiedName());
    }
    for (const torch::jit::Method& method : part.get_methods())
      SERIN_TRY(check_function(method.function()));
  }
  return {};
}

Status check_weights(const torch::jit::Module& module) {
  for (const auto& attribute : module.named_attributes()) {  // parameters and buffers among them
    if (attribute.value.isTensor())
      SERIN_TRY(check_tensor(attribute.value.toTensor(), attribute.name));
  }
  for (Function* function : module._ivalue()->compilation_unit()->get_functions()) {
    if (function->isGraphFunction()) {
      SERIN_TRY(check_constants(torch::jit::toGraphFunction(*function).graph()->block(),
                                function->name()));
    }
  }
  return {};
}

}  // namespace serin::backends
