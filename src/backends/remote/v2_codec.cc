// SPDX-License-Identifier: Apache-2.0
#include "backends/remote/v2_codec.h"

#include <algorithm>
#include <cstring>
#include <limits>
#include <utility>

#include "backends/call_check.h"
#include "base/datatype.h"
#include "base/json.h"

namespace serin::backends::v2 {
namespace {

constexpr int kDeepest = 32;
constexpr std::size_t kLongestMessage = 1024;

tl::unexpected<Error> bad(std::string what) {
  return fail(Error{Code::kInternal, "the upstream's answer " + std::move(what), "bad_upstream"});
}

template <class T>
void append(const Tensor& tensor, json::array& list) {
  for (const T value : tensor.values<T>()) list.emplace_back(value);
}

json::array numbers(const Tensor& tensor) {
  json::array list;
  list.reserve(static_cast<std::size_t>(tensor.elements()));
  if (tensor.dtype() == DType::kBool) append<bool>(tensor, list);
  if (tensor.dtype() == DType::kInt32) append<std::int32_t>(tensor, list);
  if (tensor.dtype() == DType::kInt64) append<std::int64_t>(tensor, list);
  if (tensor.dtype() == DType::kFloat64) append<double>(tensor, list);
  if (!list.empty() || tensor.elements() == 0) return list;
  const bool whole = tensor.dtype() < DType::kFloat16;
  const Tensor floats = tensor.to_float32();
  for (const float value : floats.values<float>()) {
    if (whole) list.emplace_back(static_cast<std::int64_t>(value));
    if (!whole) list.emplace_back(double{value});
  }
  return list;
}

// Reads a flat or nested list into a tensor that has the right number of elements.
class ListReader {
 public:
  explicit ListReader(Tensor& tensor) : tensor_(tensor) {}

  bool read(const json::value& value) {
    return level(value, 0) && next_ == static_cast<std::size_t>(tensor_.elements());
  }

 private:
  bool level(const json::value& value, int depth) {
    const json::array* list = value.if_array();
    if (list == nullptr) return element(value);
    if (depth == kDeepest) return false;
    return std::ranges::all_of(*list, [&](const json::value& v) { return level(v, depth + 1); });
  }

  bool element(const json::value& value) {
    if (next_ == static_cast<std::size_t>(tensor_.elements())) return false;
    switch (tensor_.dtype()) {
      case DType::kBool:
        return value.is_bool() && put(value.get_bool());
      case DType::kUInt8:
        return whole(value, std::uint8_t{});
      case DType::kInt8:
        return whole(value, std::int8_t{});
      case DType::kInt16:
        return whole(value, std::int16_t{});
      case DType::kInt32:
        return whole(value, std::int32_t{});
      case DType::kInt64:
        return whole(value, std::int64_t{});
      case DType::kFloat32:
        return value.is_number() && put(static_cast<float>(value.to_number<double>()));
      case DType::kFloat64:
        return value.is_number() && put(value.to_number<double>());
      case DType::kFloat16:
      case DType::kBFloat16:
        return false;  // JSON has none
    }
    return false;
  }

  template <class T>
  bool whole(const json::value& value, T) {
    json::error_code failed;
    const T number = value.is_number() ? value.to_number<T>(failed) : T{};
    return value.is_number() && !failed && put(number);
  }

  template <class T>
  bool put(T value) {
    std::memcpy(tensor_.mutable_bytes().data() + next_ * sizeof(T), &value, sizeof(T));
    ++next_;
    return true;
  }

  Tensor& tensor_;
  std::size_t next_ = 0;
};

Result<json::object> read_object(std::string_view text) {
  auto parsed = parse_json(text);
  if (!parsed) return bad("cannot be read: " + parsed.error().message);
  if (!parsed->is_object()) return bad("is not a JSON object");
  return std::move(parsed->get_object());
}

std::string_view string_at(const json::object& object, std::string_view name) {
  const json::value* value = object.if_contains(name);
  const json::string* text = value == nullptr ? nullptr : value->if_string();
  return text == nullptr ? std::string_view{} : std::string_view(*text);
}

std::optional<Shape> shape_at(const json::object& object) {
  const json::value* value = object.if_contains("shape");
  const json::array* list = value == nullptr ? nullptr : value->if_array();
  if (list == nullptr || list->size() > kDeepest) return std::nullopt;
  Shape shape;
  for (const json::value& size : *list) {
    if (!size.is_int64()) return std::nullopt;
    shape.push_back(size.get_int64());
  }
  return shape;
}

// Any binary size that is not a size is larger than everything.
std::optional<std::size_t> binary_size(const json::object& output) {
  const json::value* parameters = output.if_contains("parameters");
  const json::object* object = parameters == nullptr ? nullptr : parameters->if_object();
  const json::value* size = object == nullptr ? nullptr : object->if_contains("binary_data_size");
  if (size == nullptr) return std::nullopt;
  const bool good = size->is_int64() && size->get_int64() >= 0;
  return good ? static_cast<std::size_t>(size->get_int64())
              : std::numeric_limits<std::size_t>::max();
}

Result<Tensor> read_output(const json::object& output, const std::string& name,
                           std::optional<std::string_view> binary, std::size_t most_bytes) {
  const auto dtype = dtype_of(string_at(output, "datatype"));
  const auto shape = shape_at(output);
  if (!dtype) return bad("gives " + name + " a datatype that is no tensor's");
  if (!shape) return bad("gives " + name + " no shape");
  const auto count = element_count(*shape);
  const auto most = static_cast<std::int64_t>(most_bytes);
  // JSON spends at least two bytes an element: what the shape promises must be there.
  if (!count || *count > most) return bad("gives " + name + " a shape that its bytes do not fill");
  if (binary && binary->size() != static_cast<std::size_t>(*count) * size_of(*dtype))
    return bad("gives " + name + " as many bytes as its shape does not have");
  Tensor tensor(*dtype, *shape);
  if (binary) {
    if (!binary->empty())
      std::memcpy(tensor.mutable_bytes().data(), binary->data(), binary->size());
    return tensor;
  }
  const json::value* data = output.if_contains("data");
  if (data == nullptr || !data->is_array() || !ListReader(tensor).read(*data))
    return bad("gives " + name + " data that are not its shape's numbers");
  return tensor;
}

Result<engine::Signature::Value> read_value(const json::value& value) {
  const json::object* object = value.if_object();
  if (object == nullptr) return bad("describes tensors that are no objects");
  engine::Signature::Value made;
  made.name = string_at(*object, "name");
  const auto dtype = dtype_of(string_at(*object, "datatype"));
  const auto shape = shape_at(*object);
  made.dtype = dtype.value_or(DType::kFloat32);
  made.shape = shape.value_or(Shape{});
  made.shape_known = dtype && shape;
  return made;
}

Status read_values(const json::object& object, std::string_view name,
                   std::vector<engine::Signature::Value>& values) {
  const json::value* list = object.if_contains(name);
  if (list == nullptr || !list->is_array()) return {};  // MLServer leaves out what it does not know
  for (const json::value& value : list->get_array()) {
    SERIN_TRY_ASSIGN(auto made, read_value(value));
    values.push_back(std::move(made));
  }
  return {};
}

bool shapes_fit(const Shape& declared, const Shape& server) {
  return std::ranges::equal(declared, server, [](std::int64_t ours, std::int64_t theirs) {
    return ours < 0 || theirs < 0 || ours == theirs;
  });
}

template <class Declared>
Status check_side(const std::vector<Declared>& declared,
                  const std::vector<engine::Signature::Value>& server, std::string_view what) {
  if (server.empty()) return {};
  for (const Declared& ours : declared) {
    const auto found = std::ranges::find(server, ours.name, &engine::Signature::Value::name);
    if (found == server.end()) {
      std::string names;
      for (const auto& value : server) names += (names.empty() ? "" : ", ") + value.name;
      return invalid("the upstream's model has no " + std::string(what) + " " + ours.name +
                         "; it has " + names,
                     ours.name);
    }
    if (!found->shape_known) continue;
    if (found->dtype != ours.dtype || !shapes_fit(ours.shape, found->shape)) {
      return invalid("call declares " + std::string(what) + " " + ours.name + " as " +
                         std::string(name_of(ours.dtype)) + " " +
                         model::declared_shape(ours.shape) + "; the upstream's model has " +
                         std::string(name_of(found->dtype)) + " " + to_string(found->shape),
                     ours.name);
    }
  }
  return {};
}

}  // namespace

Body write_request(const model::Call& call, std::span<const Tensor> arguments, bool binary) {
  json::array inputs, outputs;
  std::string tail;
  for (std::size_t i = 0; i < arguments.size(); ++i) {
    const Tensor& tensor = arguments[i];
    json::object input{{"name", call.arguments[i].name},
                       {"datatype", datatype_of(tensor.dtype())},
                       {"shape", json::array(tensor.shape().begin(), tensor.shape().end())}};
    if (binary) {
      input["parameters"] = json::object{{"binary_data_size", tensor.byte_size()}};
      tail.append(reinterpret_cast<const char*>(tensor.bytes().data()), tensor.byte_size());
    } else {
      input["data"] = numbers(tensor);
    }
    inputs.push_back(std::move(input));
  }
  for (const model::ResultSpec& result : call.results) {
    json::object output{{"name", result.name}};
    if (binary) output["parameters"] = json::object{{"binary_data", true}};
    outputs.push_back(std::move(output));
  }
  Body body{json::serialize(json::object{{"inputs", inputs}, {"outputs", outputs}}), std::nullopt};
  if (binary) body.header_bytes = body.bytes.size();
  body.bytes += tail;
  return body;
}

Result<std::vector<Tensor>> read_answer(const model::Call& call, std::string_view body,
                                        std::optional<std::size_t> header_bytes) {
  if (header_bytes && *header_bytes > body.size()) return bad("is shorter than it says");
  std::string_view tail = body.substr(header_bytes.value_or(body.size()));
  SERIN_TRY_ASSIGN(const json::object object,
                   read_object(body.substr(0, header_bytes.value_or(body.size()))));
  const json::value* outputs = object.if_contains("outputs");
  if (outputs == nullptr || !outputs->is_array()) return bad("has no list of outputs");
  std::vector<Tensor> results(call.results.size());
  for (const json::value& value : outputs->get_array()) {
    const json::object* output = value.if_object();
    if (output == nullptr) return bad("has an output that is no object");
    const auto size = binary_size(*output);
    if (size && *size > tail.size()) return bad("has fewer binary bytes than it says");
    const auto binary = size ? std::optional(tail.substr(0, *size)) : std::nullopt;
    tail.remove_prefix(size.value_or(0));
    const auto name = string_at(*output, "name");
    const auto found = std::ranges::find(call.results, name, &model::ResultSpec::name);
    if (found == call.results.end()) continue;  // more than was asked for
    SERIN_TRY_ASSIGN(results[static_cast<std::size_t>(found - call.results.begin())],
                     read_output(*output, found->name, binary, body.size()));
  }
  for (std::size_t i = 0; i < results.size(); ++i) {
    if (results[i].empty()) return bad("has no output " + call.results[i].name);
  }
  return results;
}

Result<engine::Signature> read_metadata(std::string_view body) {
  SERIN_TRY_ASSIGN(const json::object object, read_object(body));
  engine::Signature signature;
  signature.method = string_at(object, "name");
  SERIN_TRY(read_values(object, "inputs", signature.arguments));
  SERIN_TRY(read_values(object, "outputs", signature.results));
  return signature;
}

bool has_binary_extension(std::string_view body) {
  const auto object = read_object(body);
  const json::value* list = object ? object->if_contains("extensions") : nullptr;
  if (list == nullptr || !list->is_array()) return false;
  return std::ranges::any_of(list->get_array(), [](const json::value& extension) {
    return extension.is_string() &&
           (extension == "binary_tensor_data" || extension == "binary_data");
  });
}

std::string error_message(std::string_view body) {
  const auto object = read_object(body);
  return object ? std::string(string_at(*object, "error").substr(0, kLongestMessage)) : "";
}

Status check_call(const model::Call& call, const engine::Signature& server) {
  SERIN_TRY(check_side(call.arguments, server.arguments, "input"));
  for (const auto& theirs : server.arguments) {
    if (std::ranges::find(call.arguments, theirs.name, &model::Argument::name) ==
        call.arguments.end())
      return invalid(
          "the upstream's model wants an input " + theirs.name + ", which call does not declare",
          theirs.name);
  }
  return check_side(call.results, server.results, "output");
}

}  // namespace serin::backends::v2
