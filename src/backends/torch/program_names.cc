// SPDX-License-Identifier: Apache-2.0
#include "backends/torch/program_names.h"

#include <algorithm>
#include <cctype>
#include <string>

#include "backends/torch/source_scan.h"

namespace serin::backends {
namespace {

bool is_any(std::string_view name, const auto& list) {
  return std::find(std::begin(list), std::end(list), name) != std::end(list);
}

// PyTorch imports the others.
constexpr std::string_view kContainers[] = {"builtins.tuple",
                                            "builtins.list",
                                            "builtins.dict",
                                            "collections.OrderedDict",
                                            "torch.fx.immutable_collections.immutable_list",
                                            "torch.fx.immutable_collections.immutable_dict"};

}  // namespace

bool is_allowed_container(std::string_view type) { return is_any(type, kContainers); }

bool is_allowed_target(std::string_view target) {
  // Those of the operator module that calculate: others take names (attrgetter, methodcaller).
  static constexpr std::string_view kOperators[] = {
      "abs",   "add", "and_", "eq",  "floordiv", "ge",  "getitem", "gt",
      "index", "le",  "lt",   "mod", "mul",      "ne",  "neg",     "not_",
      "or_",   "pos", "pow",  "sub", "truediv",  "xor", "lshift",  "rshift"};
  static constexpr std::string_view kControl[] = {
      "cond", "map_impl", "while_loop", "wrap_with_autocast", "wrap_with_set_grad_enabled"};
  const auto rest_of = [&](std::string_view prefix) {
    return target.starts_with(prefix) ? target.substr(prefix.size()) : std::string_view();
  };
  const auto word = [](std::string_view text) {
    return !text.empty() && std::all_of(text.begin(), text.end(), [](unsigned char c) {
      return std::isalnum(c) != 0 || c == '_';
    });
  };
  if (const auto name = rest_of("_operator."); !name.empty()) return is_any(name, kOperators);
  if (const auto name = rest_of("math."); !name.empty()) return word(name) && name[0] != '_';
  if (const auto name = rest_of("torch.sym_"); !name.empty()) return word(name);
  if (const auto name = rest_of("torch._sym_"); !name.empty()) return word(name);
  if (const auto name = rest_of("torch.ops.higher_order."); !name.empty())
    return is_any(name, kControl);
  const std::string_view path = rest_of("torch.ops.");  // namespace.operation.overload
  const std::size_t first = path.find('.');
  const std::size_t second = path.find('.', first + 1);
  if (first == std::string_view::npos || second == std::string_view::npos) return false;
  const std::string_view space = path.substr(0, first);
  const std::string_view operation = path.substr(first + 1, second - first - 1);
  return word(space) && word(operation) && word(path.substr(second + 1)) &&
         !operation.starts_with("__") &&
         is_allowed_operation(std::string(space) + "::" + std::string(operation));
}

bool is_plain_expression(std::string_view text) {
  static constexpr std::string_view kWords[] = {"Symbol",
                                                "Integer",
                                                "Float",
                                                "Rational",
                                                "Half",
                                                "One",
                                                "NegativeOne",
                                                "Mul",
                                                "Add",
                                                "Pow",
                                                "Max",
                                                "Min",
                                                "Mod",
                                                "PythonMod",
                                                "FloorDiv",
                                                "CleanDiv",
                                                "CeilDiv",
                                                "CeilToInt",
                                                "FloorToInt",
                                                "TruncToInt",
                                                "RoundToInt",
                                                "ToFloat",
                                                "IntTrueDiv",
                                                "FloatTrueDiv",
                                                "PowByNatural",
                                                "FloatPow",
                                                "LShift",
                                                "RShift",
                                                "ModularIndexing",
                                                "Where",
                                                "Equality",
                                                "Unequality",
                                                "StrictLessThan",
                                                "LessThan",
                                                "StrictGreaterThan",
                                                "GreaterThan",
                                                "And",
                                                "Or",
                                                "Not",
                                                "Eq",
                                                "Ne",
                                                "Lt",
                                                "Le",
                                                "Gt",
                                                "Ge",
                                                "True",
                                                "False",
                                                "true",
                                                "false",
                                                "positive",
                                                "nonnegative",
                                                "integer",
                                                "real",
                                                "finite",
                                                "precision"};
  const auto symbol = [](std::string_view name) {  // s0, u3, s77
    const std::size_t digits = name.find_first_of("0123456789");
    return digits >= 1 && digits <= 4 && digits != std::string_view::npos &&
           std::all_of(name.begin(), name.begin() + static_cast<std::ptrdiff_t>(digits),
                       [](unsigned char c) { return std::islower(c) != 0; }) &&
           std::all_of(name.begin() + static_cast<std::ptrdiff_t>(digits), name.end(),
                       [](unsigned char c) { return std::isdigit(c) != 0; });
  };
  constexpr std::size_t kMost = 4096;
  if (text.empty() || text.size() > kMost) return false;
  for (std::size_t at = 0; at < text.size();) {
    const auto c = static_cast<unsigned char>(text[at]);
    if (std::isalpha(c) != 0 || c == '_') {
      std::size_t end = at;
      while (end < text.size() &&
             (std::isalnum(static_cast<unsigned char>(text[end])) != 0 || text[end] == '_'))
        ++end;
      const std::string_view word = text.substr(at, end - at);
      if (!is_any(word, kWords) && !symbol(word)) return false;
      at = end;
    } else if (c == '\'') {
      const std::size_t end = text.find('\'', at + 1);
      if (end == std::string_view::npos) return false;
      const std::string_view quoted = text.substr(at + 1, end - at - 1);
      const bool number = !quoted.empty() && quoted.find_first_not_of("0123456789.") ==
                                                 std::string_view::npos;  // Float('0.5')
      if (!number && !symbol(quoted)) return false;
      at = end + 1;
    } else if (std::isdigit(c) != 0 ||
               std::string_view("(),=+-*/ <>").find(text[at]) != std::string_view::npos) {
      ++at;
    } else {
      return false;
    }
  }
  return true;
}

}  // namespace serin::backends
