// SPDX-License-Identifier: Apache-2.0
#include "worker/api/predict/v2_json.h"

#include <algorithm>
#include <cstring>

#include "worker/api/fields.h"

namespace serin::worker::api {
namespace {

constexpr std::size_t kDeepest = 16;

template <class T>
void append(std::string& bytes, T value) {
  bytes.append(reinterpret_cast<const char*>(&value), sizeof(value));
}

Status append_number(const json::value& value, DType dtype, InferTensor& tensor) {
  if (dtype == DType::kBool && value.is_bool()) {
    append(tensor.bytes, static_cast<std::uint8_t>(value.get_bool()));
    return {};
  }
  json::error_code failed;
  auto whole = [&]<class T>(T) {
    append(tensor.bytes, value.to_number<T>(failed));
    return failed ? Status(wrong_field(tensor.name, "made of " + tensor.datatype + " numbers"))
                  : Status{};
  };
  if (!value.is_number())
    return wrong_field(tensor.name, "made of " + tensor.datatype + " numbers");
  switch (dtype) {
    case DType::kUInt8:
      return whole(std::uint8_t{});
    case DType::kInt8:
      return whole(std::int8_t{});
    case DType::kInt16:
      return whole(std::int16_t{});
    case DType::kInt32:
      return whole(std::int32_t{});
    case DType::kInt64:
      return whole(std::int64_t{});
    case DType::kFloat32:
      append(tensor.bytes, static_cast<float>(value.to_number<double>(failed)));
      return {};
    case DType::kFloat64:
      append(tensor.bytes, value.to_number<double>(failed));
      return {};
    default:
      return wrong_field(tensor.name, "sent in binary: JSON has no " + tensor.datatype);
  }
}

Status append_elements(const json::value& data, std::optional<DType> dtype, std::size_t depth,
                       InferTensor& tensor) {
  if (data.is_array()) {
    if (depth == kDeepest) return wrong_field(tensor.name, "nested at most 16 deep");
    for (const json::value& item : data.get_array()) {
      SERIN_TRY(append_elements(item, dtype, depth + 1, tensor));
    }
    return {};
  }
  if (dtype) return append_number(data, *dtype, tensor);
  if (!data.is_string()) return wrong_field(tensor.name, "made of strings");
  tensor.strings.emplace_back(data.get_string());
  return {};
}

Status read_shape(Fields& fields, InferTensor& tensor) {
  const json::value* shape = fields.any("shape");
  if (shape == nullptr || !shape->is_array())
    return wrong_field(tensor.name + ".shape", "a list of dimensions");
  for (const json::value& dimension : shape->get_array()) {
    if (!dimension.is_int64() || dimension.get_int64() < 0) {
      return wrong_field(tensor.name + ".shape", "made of integers from 0 on");
    }
    tensor.shape.push_back(dimension.get_int64());
  }
  return {};
}

Result<InferTensor> parse_input(const json::value& value, std::string_view& binary) {
  if (!value.is_object()) return wrong_field("inputs", "a list of objects");
  Fields fields(value.get_object());
  InferTensor tensor;
  SERIN_TRY_ASSIGN(const auto name, fields.string("name"));
  SERIN_TRY_ASSIGN(const auto datatype, fields.string("datatype"));
  if (!name || !datatype)
    return wrong_field("inputs", "objects with name, shape, datatype and data");
  tensor.name = *name;
  tensor.datatype = *datatype;
  if (tensor.datatype != "BYTES" && !dtype_of(tensor.datatype))
    return wrong_field(tensor.name + ".datatype", "a datatype of the protocol, such as FP32");
  SERIN_TRY(read_shape(fields, tensor));
  SERIN_TRY_ASSIGN(const auto parameters, fields.object("parameters"));
  const json::value* size = parameters ? parameters->if_contains("binary_data_size") : nullptr;
  const json::value* data = fields.any("data");
  SERIN_TRY(fields.no_others());
  if (size == nullptr) {
    if (data == nullptr)
      return wrong_field(tensor.name + ".data", "a list, or binary with binary_data_size");
    SERIN_TRY(read_elements(*data, tensor));
    return tensor;
  }
  if (!size->is_int64() || size->get_int64() < 0 ||
      static_cast<std::uint64_t>(size->get_int64()) > binary.size()) {
    return wrong_field(tensor.name + ".parameters.binary_data_size",
                       "at most what follows the JSON");
  }
  const auto length = static_cast<std::size_t>(size->get_int64());
  SERIN_TRY(read_binary(binary.substr(0, length), tensor));
  binary.remove_prefix(length);
  return tensor;
}

bool binary_of(const json::object* parameters, std::string_view name) {
  const json::value* value = parameters ? parameters->if_contains(name) : nullptr;
  return value != nullptr && value->is_bool() && value->get_bool();
}

Status parse_outputs(Fields& fields, V2Message& message) {
  const json::value* outputs = fields.any("outputs");
  if (outputs == nullptr) return {};
  if (!outputs->is_array()) return wrong_field("outputs", "a list of objects");
  for (const json::value& output : outputs->get_array()) {
    const json::object* object = output.if_object();
    const json::value* name = object ? object->if_contains("name") : nullptr;
    if (name == nullptr || !name->is_string())
      return wrong_field("outputs", "a list of objects with a name");
    message.request.outputs.emplace_back(name->get_string());
    const json::value* parameters = object->if_contains("parameters");
    if (parameters != nullptr && binary_of(parameters->if_object(), "binary_data")) {
      message.binary_outputs.push_back(message.request.outputs.back());
    }
  }
  return {};
}

}  // namespace

Status read_elements(const json::value& data, InferTensor& tensor) {
  return append_elements(data, dtype_of(tensor.datatype), 0, tensor);
}

json::array write_elements(const InferTensor& tensor) {
  json::array list;
  for (const std::string& element : tensor.strings) list.emplace_back(element);
  const auto dtype = dtype_of(tensor.datatype);
  if (!dtype) return list;
  const auto count = static_cast<std::int64_t>(tensor.bytes.size() / size_of(*dtype));
  const Tensor seen(*dtype, {count}, nullptr, const_cast<char*>(tensor.bytes.data()));
  list.reserve(static_cast<std::size_t>(count));
  if (*dtype == DType::kInt64) {
    for (const std::int64_t value : seen.values<std::int64_t>()) list.emplace_back(value);
  } else if (*dtype == DType::kInt32) {
    for (const std::int32_t value : seen.values<std::int32_t>()) list.emplace_back(value);
  } else if (*dtype == DType::kFloat64) {
    for (const double value : seen.values<double>()) list.emplace_back(value);
  } else {
    const Tensor floats = seen.to_float32();
    const bool whole = *dtype <= DType::kInt32;
    for (const float value : floats.values<float>()) {
      if (*dtype == DType::kBool)
        list.emplace_back(value != 0);
      else if (whole)
        list.emplace_back(static_cast<std::int64_t>(value));
      else
        list.emplace_back(static_cast<double>(value));
    }
  }
  return list;
}

Result<V2Message> parse_v2(std::string_view body, std::optional<std::size_t> header_bytes,
                           const JsonLimits& limits) {
  if (header_bytes && *header_bytes > body.size()) {
    return wrong_field("Inference-Header-Content-Length", "at most the body's length");
  }
  std::string_view binary = header_bytes ? body.substr(*header_bytes) : std::string_view();
  auto parsed = parse_json(body.substr(0, header_bytes.value_or(body.size())), limits);
  if (!parsed) {
    parsed.error().reason = "invalid_json";
    return tl::unexpected<Error>(std::move(parsed).error());
  }
  if (!parsed->is_object()) {
    return fail(Error{Code::kInvalidArgument, "the body must be a JSON object", "invalid_json"});
  }
  Fields fields(parsed->get_object());
  V2Message message;
  SERIN_TRY_ASSIGN(const auto id, fields.string("id"));
  message.request.id = id.value_or("");
  SERIN_TRY_ASSIGN(auto parameters, fields.object("parameters"));
  if (parameters) {
    message.all_binary = binary_of(&*parameters, "binary_data_output");
    parameters->erase("binary_data_output");
    message.request.parameters = *std::move(parameters);
  }
  const json::value* inputs = fields.any("inputs");
  if (inputs != nullptr && !inputs->is_array()) return wrong_field("inputs", "a list of objects");
  if (inputs != nullptr) {
    for (const json::value& input : inputs->get_array()) {
      SERIN_TRY_ASSIGN(auto tensor, parse_input(input, binary));
      message.request.inputs.push_back(std::move(tensor));
    }
  }
  if (!binary.empty()) return wrong_field("inputs", "as long, in binary, as what follows the JSON");
  SERIN_TRY(parse_outputs(fields, message));
  SERIN_TRY(fields.no_others());
  return message;
}

V2Body write_v2(const V2Message& message, const InferResponse& response, std::string_view model,
                std::string_view version) {
  json::array outputs;
  std::string binary;
  bool any_binary = false;
  for (const InferTensor& tensor : response.outputs) {
    json::object output{{"name", tensor.name},
                        {"datatype", tensor.datatype},
                        {"shape", json::array(tensor.shape.begin(), tensor.shape.end())}};
    const bool in_binary =
        message.all_binary ||
        std::ranges::find(message.binary_outputs, tensor.name) != message.binary_outputs.end();
    if (in_binary) {
      const std::string bytes = write_binary(tensor);
      output["parameters"] = json::object{{"binary_data_size", bytes.size()}};
      binary += bytes;
      any_binary = true;
    } else {
      output["data"] = write_elements(tensor);
    }
    outputs.push_back(std::move(output));
  }
  json::object body{
      {"model_name", model}, {"model_version", version}, {"outputs", std::move(outputs)}};
  if (!response.id.empty()) body["id"] = response.id;
  if (!response.parameters.empty()) body["parameters"] = response.parameters;
  V2Body written{json::serialize(body), std::nullopt};
  if (any_binary) {
    written.header_bytes = written.bytes.size();
    written.bytes += binary;
  }
  return written;
}

}  // namespace serin::worker::api
