// SPDX-License-Identifier: Apache-2.0
// Which operations TorchScript code may use. Loading an archive already runs some of its code
// (__setstate__), so the text is looked at before; the graphs that PyTorch made of it are looked at
// again afterwards (graph_check.h). Pure.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace serin::backends {

// False for what reaches files, the network, Python or raw memory: "aten::save", "c10d::send",
// "prim::PythonOp".
bool is_allowed_operation(std::string_view qualified_name);
// False for C++ classes other than those that hold quantised weights:
// "__torch__.torch.classes.rpc.WorkerInfo".
bool is_allowed_class(std::string_view qualified_name);

// The first thing in the code that is not allowed, as "aten::save"; empty when there is none.
// Strict: a method of one's own with the name of a forbidden operation is refused too.
std::optional<std::string> forbidden_in_source(std::string_view code);

}  // namespace serin::backends
