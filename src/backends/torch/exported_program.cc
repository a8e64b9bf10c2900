// SPDX-License-Identifier: Apache-2.0
// The format: torch/_export/serde/schema.py (version 8) and torch/export/pt2_archive of PyTorch.
#include "backends/torch/exported_program.h"

#include <algorithm>
#include <cctype>
#include <limits>
#include <map>
#include <set>

#include "backends/call_check.h"
#include "backends/torch/program_names.h"
#include "base/json.h"

namespace serin::backends {
namespace {

constexpr std::uint64_t kMostJsonBytes = std::uint64_t{64} << 20;
constexpr std::int64_t kNoBound = std::numeric_limits<std::int64_t>::max();
constexpr std::string_view kRefused = "; operations on files, the network or Python are not run";

tl::unexpected<Error> broken(std::string_view what) {
  return invalid("not a program that torch.export wrote: " + std::string(what));
}

tl::unexpected<Error> denied(std::string message) {
  return fail(Code::kPermissionDenied, std::move(message));
}

// ---- JSON, of which nothing is taken for granted ----

const json::value kNull;

const json::value& member(const json::value& value, std::string_view key) {
  const json::object* object = value.if_object();
  const json::value* found = object == nullptr ? nullptr : object->if_contains(key);
  return found == nullptr ? kNull : *found;
}

template <class... Keys>
const json::value& member(const json::value& value, std::string_view key, Keys... more) {
  return member(member(value, key), more...);
}

std::string_view text_of(const json::value& value) {
  const json::string* text = value.if_string();
  return text == nullptr ? std::string_view() : std::string_view(*text);
}

const json::array& list_of(const json::value& value) {
  static const json::array kNone;
  const json::array* list = value.if_array();
  return list == nullptr ? kNone : *list;
}

const json::object& object_of(const json::value& value) {
  static const json::object kNone;
  const json::object* object = value.if_object();
  return object == nullptr ? kNone : *object;
}

std::optional<std::int64_t> integer_of(const json::value& value) {
  if (const auto* number = value.if_int64()) return *number;
  if (value.if_uint64() != nullptr) return kNoBound;
  return std::nullopt;
}

Result<json::value> read_json(const Archive& archive, const std::string& name) {
  const ArchiveEntry* entry = archive.find(name);
  if (entry == nullptr) return broken("it has no " + name);
  if (entry->size > kMostJsonBytes) {
    return invalid(name + " has " + std::to_string(entry->size) + " bytes; at most " +
                   std::to_string(kMostJsonBytes) + " are read");
  }
  SERIN_TRY_ASSIGN(const std::string text, archive.read(*entry));
  auto value = parse_json(text);
  if (!value) return fail(std::move(value.error()).within(name));
  return value;
}

// ---- what PyTorch would look up by name or evaluate ----

Status check_containers(const json::value& tree) {
  const json::value& type = member(tree, "type");
  if (type.is_string() && !is_allowed_container(text_of(type))) {
    return denied("the program takes or gives a " + std::string(text_of(type)) +
                  "; only tuples, lists and dicts of tensors can be used: wrap the module");
  }
  for (const json::value& child : list_of(member(tree, "children_spec")))
    SERIN_TRY(check_containers(child));
  return {};
}

Result<json::value> parse_tree(std::string_view text) {
  SERIN_TRY_ASSIGN(const json::value parsed, parse_json(text));
  const json::array& pair = list_of(parsed);  // [version, tree]
  if (pair.size() != 2) return broken("the structure of its arguments or results");
  SERIN_TRY(check_containers(pair[1]));
  return pair[1];
}

Status check_member(std::string_view key, const json::value& value) {
  const std::string_view text = text_of(value);
  if (key == "target" || key == "as_operator") {
    if (value.is_string() && !is_allowed_target(text))
      return denied("the program uses " + std::string(text.substr(0, 200)) + std::string(kRefused));
  } else if (key == "expr_str") {
    if (!is_plain_expression(text))
      return denied("the program has a size that is no arithmetic: " +
                    std::string(text.substr(0, 200)));
  } else if (key == "in_spec" || key == "out_spec") {
    if (value.is_string()) SERIN_TRY(parse_tree(text));
  } else if (key == "as_custom_obj" || key == "custom_obj" ||
             (key == "custom_obj_values" && !object_of(value).empty())) {
    return denied("the program holds an object of a C++ class; only tensors can be used");
  }
  return {};
}

// Every name in the whole document; parse_json bounds the depth.
Status check_names(const json::value& value) {
  for (const json::value& element : list_of(value)) SERIN_TRY(check_names(element));
  for (const auto& [key, element] : object_of(value)) {
    SERIN_TRY(check_member(key, element));
    SERIN_TRY(check_names(element));
  }
  return {};
}

// ---- arguments, results, weights ----

// ScalarType of the schema.
std::optional<DType> dtype_of(const json::value& number) {
  static const std::map<std::int64_t, DType> kTypes{
      {1, DType::kUInt8}, {2, DType::kInt8},     {3, DType::kInt16},   {4, DType::kInt32},
      {5, DType::kInt64}, {6, DType::kFloat16},  {7, DType::kFloat32}, {8, DType::kFloat64},
      {12, DType::kBool}, {13, DType::kBFloat16}};
  const auto found = kTypes.find(integer_of(number).value_or(0));
  return found == kTypes.end() ? std::nullopt : std::optional(found->second);
}

// The name in "Symbol('s0', …)" or "s0"; empty for any other expression.
std::string symbol_in(std::string_view text) {
  if (text.starts_with("Symbol('")) {
    text.remove_prefix(8);
    const std::size_t end = text.find('\'');
    const bool alone = end != std::string_view::npos && text.find(')') == text.size() - 1;
    return alone ? std::string(text.substr(0, end)) : std::string();
  }
  const bool plain = !text.empty() && std::all_of(text.begin(), text.end(), [](unsigned char c) {
    return std::isalnum(c) != 0;
  });
  return plain ? std::string(text) : std::string();
}

class Reader {
 public:
  Reader(const json::value& program, ExportedProgram& into) : program_(program), into_(into) {}

  Status read() {
    const json::value& signature = member(program_, "graph_module", "signature");
    for (const json::value& spec : list_of(member(signature, "input_specs"))) {
      if (spec.if_object() == nullptr) return broken("an input");
      if (object_of(spec).contains("constant_input")) {
        return invalid("the program takes " +
                       std::string(text_of(member(spec, "constant_input", "name"))) +
                       ", which is no tensor: export a module that takes tensors only");
      }
      const json::value& user = member(spec, "user_input", "arg");
      if (!user.is_null()) SERIN_TRY(add(user, into_.arguments, true));
    }
    for (const json::value& spec : list_of(member(signature, "output_specs"))) {
      if (object_of(spec).contains("buffer_mutation") ||
          object_of(spec).contains("parameter_mutation")) {
        return invalid(
            "the program changes its own weights from call to call: give such a state "
            "as an argument and a result");
      }
      const json::value& user = member(spec, "user_output", "arg");
      if (!user.is_null()) SERIN_TRY(add(user, into_.results, false));
    }
    if (into_.arguments.empty() || into_.results.empty())
      return invalid("the program takes or gives no tensor");
    return name_results();
  }

 private:
  Status add(const json::value& argument, std::vector<ProgramValue>& to, bool taken) {
    const std::string name(text_of(member(argument, "as_tensor", "name")));
    if (name.empty())
      return invalid(
          "the program takes or gives something that is no tensor: export a module of "
          "tensors only");
    const json::value& meta =
        member(program_, "graph_module", "graph", "tensor_values", std::string_view(name));
    const auto dtype = dtype_of(member(meta, "dtype"));
    if (!dtype) return invalid("the dtype of " + name + " is one that packages do not know");
    if (text_of(member(meta, "device", "type")) != "cpu") {
      return invalid("the program was exported for " +
                     std::string(text_of(member(meta, "device", "type"))) +
                     ": export it on the CPU; the worker moves it to its device");
    }
    ProgramValue value{name, *dtype, {}};
    for (const json::value& size : list_of(member(meta, "sizes"))) {
      SERIN_TRY_ASSIGN(auto dimension, dimension_of(size, taken ? name : std::string()));
      value.shape.push_back(std::move(dimension));
    }
    if (taken) SERIN_TRY(check_layout(value, list_of(member(meta, "strides"))));
    to.push_back(std::move(value));
    return {};
  }

  // `argument` is empty for a result, whose sizes may be any expression.
  Result<ProgramDimension> dimension_of(const json::value& size, const std::string& argument) {
    if (const auto number = integer_of(member(size, "as_int")))
      return ProgramDimension{*number, *number, {}};
    const std::string expression(text_of(member(size, "as_expr", "expr_str")));
    const std::string symbol = symbol_in(expression);
    if (argument.empty()) return ProgramDimension{0, kNoBound, expression};
    if (symbol.empty()) {
      return invalid("a dimension of " + argument + " is " + expression.substr(0, 200) +
                     "; it must be a number, or vary by itself");
    }
    const json::value& range = member(program_, "range_constraints", std::string_view(symbol));
    return ProgramDimension{integer_of(member(range, "min_val")).value_or(0),
                            integer_of(member(range, "max_val")).value_or(kNoBound), symbol};
  }

  // Compiled code reads an argument with the strides that the example had; ours have none between.
  static Status check_layout(const ProgramValue& value, const json::array& strides) {
    if (strides.size() != value.shape.size()) return broken("the strides of " + value.name);
    std::int64_t expected = 1;
    for (std::size_t i = strides.size(); i-- > 0;) {
      const auto stride = integer_of(member(strides[i], "as_int"));
      const ProgramDimension& dimension = value.shape[i];
      if (stride && expected >= 0 && *stride != expected &&
          !(dimension.fixed() && dimension.least <= 1)) {
        return invalid("the program takes " + value.name +
                       " in another layout than row after row: export it with contiguous inputs");
      }
      if (!dimension.fixed() || dimension.least < 0 ||
          __builtin_mul_overflow(expected, dimension.least, &expected))
        expected = -1;  // from here on the strides vary with the sizes
    }
    return {};
  }

  // A dict's keys are its results' names, as in TorchScript.
  Status name_results() {
    const json::array& calls = list_of(member(program_, "graph_module", "module_call_graph"));
    const std::string_view spec =
        calls.empty() ? "" : text_of(member(calls[0], "signature", "out_spec"));
    if (spec.empty()) return broken("the structure of its results is missing");
    SERIN_TRY_ASSIGN(const json::value tree, parse_tree(spec));
    std::vector<std::string> names;
    if (text_of(member(tree, "type")).ends_with("dict")) {
      SERIN_TRY_ASSIGN(const json::value keys, parse_json(text_of(member(tree, "context"))));
      for (const json::value& key : list_of(keys)) names.emplace_back(text_of(key));
    }
    into_.results_named = names.size() == into_.results.size();
    for (std::size_t i = 0; i < into_.results.size(); ++i) {
      into_.results[i].name = into_.results_named         ? names[i]
                              : into_.results.size() == 1 ? "result"
                                                          : "result" + std::to_string(i);
    }
    return {};
  }

  const json::value& program_;
  ExportedProgram& into_;
};

// `kind` is "weights" or "constants".
Status read_weights(const Archive& archive, const std::string& kind, ExportedProgram& program) {
  const std::string folder = "data/" + kind + "/";
  if (archive.find(folder + program.name + ".pt") != nullptr) {
    return denied(
        "its weights are a pickle, as PyTorch before 2.8 wrote them: save the program "
        "again with a newer torch.export.save");
  }
  SERIN_TRY_ASSIGN(const json::value config,
                   read_json(archive, folder + program.name + "_" + kind + "_config.json"));
  SERIN_TRY(check_names(config));
  std::set<std::string> counted;
  for (const auto& [name, payload] : object_of(member(config, "config"))) {
    const json::value& pickled = member(payload, "use_pickle");
    const std::string path(text_of(member(payload, "path_name")));
    if (pickled.if_bool() == nullptr || *pickled.if_bool() || path.starts_with("custom_obj_")) {
      return denied("the weights " + std::string(name) +
                    " are a pickle (a tensor of a class of its own); only plain tensors are read");
    }
    const ArchiveEntry* entry = archive.find(folder + path);
    if (entry == nullptr) return broken("the weights " + std::string(name) + " are missing");
    const json::value& meta = member(payload, "tensor_meta");
    const auto dtype = dtype_of(member(meta, "dtype"));
    if (!dtype) return invalid("the weights " + std::string(name) + " have an unknown dtype");
    if (text_of(member(meta, "device", "type")) != "cpu")
      return invalid("the weights " + std::string(name) +
                     " lie on another device than the CPU: "
                     "export the program there");
    if (counted.insert(entry->name).second) program.weight_bytes += entry->size;
    program.weights.push_back({std::string(name), entry->name, *dtype});
  }
  return {};
}

Result<ExportedProgram> read_program(const Archive& archive, const std::string& name) {
  ExportedProgram program;
  program.name = name;
  program.method = name == "model" ? "forward" : name;
  SERIN_TRY_ASSIGN(const json::value document, read_json(archive, "models/" + name + ".json"));
  constexpr std::int64_t kSchema = 8;
  if (integer_of(member(document, "schema_version", "major")) != kSchema)
    return invalid("models/" + name + ".json is not of version 8 of torch.export's format");
  SERIN_TRY(check_names(document));
  SERIN_TRY(Reader(document, program).read());
  SERIN_TRY(read_weights(archive, "weights", program));
  SERIN_TRY(read_weights(archive, "constants", program));
  return program;
}

std::string described(const ProgramValue& value) {
  std::string text = std::string(name_of(value.dtype)) + " [";
  for (std::size_t i = 0; i < value.shape.size(); ++i) {
    const ProgramDimension& dimension = value.shape[i];
    text += (i == 0 ? "" : ", ") +
            (dimension.fixed() ? std::to_string(dimension.least) : dimension.symbol);
  }
  return text + "]";
}

bool fits(const ProgramValue& value, DType dtype, const Shape& declared) {
  if (value.dtype != dtype || value.shape.size() != declared.size()) return false;
  for (std::size_t i = 0; i < declared.size(); ++i) {
    const ProgramDimension& dimension = value.shape[i];
    if (declared[i] >= 0 && (declared[i] < dimension.least || declared[i] > dimension.most))
      return false;
  }
  return true;
}

Status check_value(const ProgramValue& value, std::string_view verb, const std::string& name,
                   DType dtype, const Shape& declared) {
  if (fits(value, dtype, declared)) return {};
  return invalid("the program " + std::string(verb) + " " + value.name + " as " + described(value) +
                     ", the package declares " + name + " as " + std::string(name_of(dtype)) + " " +
                     model::declared_shape(declared),
                 "call");
}

}  // namespace

Result<std::vector<ExportedProgram>> read_programs(const Archive& archive) {
  if (archive.has_folder("data/aotinductor/")) {
    return denied(
        "holds machine code that AOTInductor compiled, which is never run: save the "
        "exported program itself with torch.export.save");
  }
  constexpr std::string_view kFolder = "models/", kSuffix = ".json";
  std::vector<ExportedProgram> programs;
  for (const ArchiveEntry& entry : archive.entries()) {
    if (!entry.name.starts_with(kFolder) || !entry.name.ends_with(kSuffix)) continue;
    const std::string name =
        entry.name.substr(kFolder.size(), entry.name.size() - kFolder.size() - kSuffix.size());
    constexpr std::size_t kMostPrograms = 64;
    if (programs.size() == kMostPrograms) return invalid("holds more than 64 programs");
    SERIN_TRY_ASSIGN(auto program, read_program(archive, name));
    programs.push_back(std::move(program));
  }
  if (programs.empty()) {
    return invalid(
        "holds no program in models/: it was saved by PyTorch before 2.8; save it again "
        "with a newer torch.export.save");
  }
  return programs;
}

Status check_weights(const Archive& archive, const ExportedProgram& program) {
  std::set<std::string> seen;
  for (const ProgramWeight& weight : program.weights) {
    if (!seen.insert(weight.entry).second) continue;
    SERIN_TRY(archive.stream(*archive.find(weight.entry), [&](std::string_view piece) -> Status {
      if (!holds_nan(weight.dtype, std::as_bytes(std::span(piece)))) return {};
      return fail(Code::kDataLoss, "the weights " + weight.name + " hold a NaN");
    }));
  }
  return {};
}

Result<const ExportedProgram*> find_method(const std::vector<ExportedProgram>& programs,
                                           const std::string& method) {
  std::string names;
  for (const ExportedProgram& program : programs) {
    if (program.method == method) return &program;
    names += (names.empty() ? "" : ", ") + program.method;
  }
  return invalid("the model has no method \"" + method + "\"; it has " + names, "call.method");
}

Status check_call(const ExportedProgram& program, const model::Call& call) {
  if (call.arguments.size() != program.arguments.size()) {
    return invalid("the program takes " + std::to_string(program.arguments.size()) +
                       " arguments, the package declares " + std::to_string(call.arguments.size()),
                   "call.arguments");
  }
  if (call.results.size() != program.results.size()) {
    return invalid("the program gives " + std::to_string(program.results.size()) +
                       " results, the package declares " + std::to_string(call.results.size()),
                   "call.results");
  }
  for (std::size_t i = 0; i < call.arguments.size(); ++i) {
    const model::Argument& argument = call.arguments[i];
    SERIN_TRY(check_value(program.arguments[i], "takes", "argument " + argument.name,
                          argument.dtype, argument.shape));
  }
  for (std::size_t i = 0; i < call.results.size(); ++i) {
    const model::ResultSpec& result = call.results[i];
    const auto named = std::find_if(program.results.begin(), program.results.end(),
                                    [&](const auto& one) { return one.name == result.name; });
    if (program.results_named && named == program.results.end())
      return invalid("the program gives no tensor named " + result.name, "call.results");
    SERIN_TRY(check_value(program.results_named ? *named : program.results[i], "gives",
                          "result " + result.name, result.dtype, result.shape));
  }
  return {};
}

Status check_shapes(const ExportedProgram& program, std::span<const Shape> shapes) {
  std::map<std::string_view, std::int64_t> known;
  for (std::size_t i = 0; i < shapes.size(); ++i) {
    const ProgramValue& value = program.arguments[i];
    for (std::size_t k = 0; k < value.shape.size(); ++k) {
      const ProgramDimension& dimension = value.shape[k];
      const std::int64_t size = shapes[i][k];
      const bool equal =
          dimension.fixed() || known.try_emplace(dimension.symbol, size).first->second == size;
      if (equal && size >= dimension.least && size <= dimension.most) continue;
      const std::string most = dimension.most == kNoBound ? "more" : std::to_string(dimension.most);
      const std::string wanted = dimension.fixed()
                                     ? std::to_string(dimension.least)
                                     : std::to_string(dimension.least) + " to " + most + ", all " +
                                           dimension.symbol + " equal";
      return invalid("the program was exported for " + wanted + " in dimension " +
                         std::to_string(k) + " of " + value.name + ", not " + std::to_string(size) +
                         (k == 0 ? "; batching.sizes must hold sizes that it takes" : ""),
                     value.name);
    }
  }
  return {};
}

engine::Signature signature_of(const ExportedProgram& program) {
  const auto convert = [](const ProgramValue& value) {
    engine::Signature::Value converted{value.name, value.dtype, {}, true};
    for (const ProgramDimension& dimension : value.shape)
      converted.shape.push_back(dimension.fixed() ? dimension.least : -1);
    return converted;
  };
  engine::Signature signature;
  signature.method = program.method;
  for (const ProgramValue& value : program.arguments) signature.arguments.push_back(convert(value));
  for (const ProgramValue& value : program.results) signature.results.push_back(convert(value));
  return signature;
}

}  // namespace serin::backends
