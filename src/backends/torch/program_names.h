// SPDX-License-Identifier: Apache-2.0
// The names and texts in an exported program that PyTorch follows or evaluates when it reads one.
// Lists of what is allowed: every one of them would be looked up in Python. Pure.
#pragma once

#include <string_view>

namespace serin::backends {

// What a node calls: "torch.ops.aten.add.Tensor" and the few Python functions of sizes that
// torch.export writes.
bool is_allowed_target(std::string_view target);

// A size: "Mul(Integer(2), Symbol('s0', positive=True))". PyTorch evaluates the text, so that
// nothing but arithmetic on symbols may stand in it.
bool is_plain_expression(std::string_view text);

// What arguments and results lie in: "builtins.tuple" and its like.
bool is_allowed_container(std::string_view type);

}  // namespace serin::backends
