// SPDX-License-Identifier: Apache-2.0
#include "worker/api/predict/infer.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <limits>
#include <variant>

#include "base/base64.h"
#include "worker/api/fields.h"

namespace serin::worker::api {
namespace {

constexpr std::size_t kQuickAnswerBytes = 16 * 1024;

// Row `row` of a tensor with one element a row.
Result<json::value> scalar_at(const InferTensor& input, std::size_t row) {
  const std::int64_t rows = input.shape.empty() ? 0 : input.shape.front();
  SERIN_TRY_ASSIGN(const auto elements, element_count(input.shape));
  if (elements != rows) return wrong_field(input.name, "of shape [N] or [N, 1]");
  if (input.datatype == "BYTES") return json::value(input.strings[row]);
  const auto dtype = dtype_of(input.datatype);
  if (!dtype) return wrong_field(input.name, "of a known datatype");
  const Tensor one(*dtype, {1}, nullptr,
                   const_cast<char*>(input.bytes.data()) + row * size_of(*dtype));
  if (*dtype == DType::kInt64) return json::value(one.values<std::int64_t>()[0]);
  if (*dtype == DType::kInt32) return json::value(one.values<std::int32_t>()[0]);
  const double value = one.to_float32().values<float>()[0];
  if (*dtype == DType::kFloat64) return json::value(one.values<double>()[0]);
  const bool whole =
      *dtype != DType::kFloat32 && *dtype != DType::kFloat16 && *dtype != DType::kBFloat16;
  return whole ? json::value(static_cast<std::int64_t>(value)) : json::value(value);
}

Result<Tensor> tensor_at(const model::TensorInput& expected, const InferTensor& input,
                         std::size_t row) {
  Shape shape = expected.shape;
  shape.insert(shape.begin(), input.shape.empty() ? -1 : input.shape.front());
  if (input.shape != shape || dtype_of(input.datatype) != expected.dtype) {
    Shape wanted = expected.shape;
    wanted.insert(wanted.begin(), -1);
    return wrong_field(input.name, std::string(datatype_of(expected.dtype)) + " of shape " +
                                       to_string(wanted) + ", not " + input.datatype + " " +
                                       to_string(input.shape));
  }
  Tensor tensor(expected.dtype, expected.shape);
  std::memcpy(tensor.mutable_bytes().data(), input.bytes.data() + row * tensor.byte_size(),
              tensor.byte_size());
  return tensor;
}

// Row `row` of every input, as a package's request.
Status take_row(const model::Manifest& manifest, const InferRequest& infer, std::size_t row,
                json::object& fields, engine::RequestParser::Tensors& tensors) {
  for (const InferTensor& input : infer.inputs) {
    const model::Input* known = manifest.find_input(input.name);
    if (known == nullptr || std::holds_alternative<model::NoiseInput>(known->kind)) {
      return fail(Error{Code::kInvalidArgument, "there is no input named " + input.name,
                        "unknown_input", input.name});
    }
    if (const auto* tensor = std::get_if<model::TensorInput>(&known->kind)) {
      SERIN_TRY_ASSIGN(tensors[input.name], tensor_at(*tensor, input, row));
      continue;
    }
    SERIN_TRY_ASSIGN(auto value, scalar_at(input, row));
    const bool medium = std::holds_alternative<model::ImageInput>(known->kind) ||
                        std::holds_alternative<model::AudioInput>(known->kind);
    if (medium && value.is_string()) value = to_base64(value.get_string());
    fields[input.name] = std::move(value);
  }
  return {};
}

// Pictures and sounds come as files, whatever tensor the model is fed.
Status check_media_type(const model::Manifest& manifest, const InferTensor& input) {
  const model::Input* known = manifest.find_input(input.name);
  const bool medium = known != nullptr && (std::holds_alternative<model::ImageInput>(known->kind) ||
                                           std::holds_alternative<model::AudioInput>(known->kind));
  if (!medium || input.datatype == "BYTES") return {};
  return wrong_field(input.name, "BYTES of the shape [N], a file for each row, not " +
                                     input.datatype + " " + serin::to_string(input.shape));
}

Result<std::int64_t> rows_of(const Context& context, const InferRequest& infer) {
  std::int64_t rows = 1;
  for (const InferTensor& input : infer.inputs) {
    SERIN_TRY(check_media_type(context.package.manifest, input));
    const std::int64_t size = expected_bytes(input);
    const bool filled = input.datatype == "BYTES"
                            ? static_cast<std::int64_t>(input.strings.size()) == size
                            : static_cast<std::int64_t>(input.bytes.size()) == size;
    if (size < 0 || !filled) return wrong_field(input.name, "as many elements as its shape says");
    if (input.shape.empty())
      return wrong_field(input.name, "a tensor whose first dimension is the batch");
    if (&input != &infer.inputs.front() && input.shape.front() != rows) {
      return wrong_field(input.name, "of as many rows as " + infer.inputs.front().name);
    }
    rows = input.shape.front();
  }
  const auto most = static_cast<std::int64_t>(std::max<std::size_t>(context.options.choices, 256));
  if (rows < 1 || rows > most) {
    return wrong_field(infer.inputs.front().name, "of 1 to " + std::to_string(most) + " rows");
  }
  return rows;
}

bool wanted(const InferRequest& infer, const std::string& name) {
  return infer.outputs.empty() || std::ranges::find(infer.outputs, name) != infer.outputs.end();
}

InferTensor stacked(const std::string& name, const std::vector<Answer>& answers) {
  const Tensor& first = answers.front().finished.outputs.at(name);
  InferTensor tensor{name, std::string(datatype_of(first.dtype())), first.shape()};
  tensor.shape.insert(tensor.shape.begin(), static_cast<std::int64_t>(answers.size()));
  for (const Answer& answer : answers) {
    const auto bytes = answer.finished.outputs.at(name).bytes();
    tensor.bytes.append(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  }
  return tensor;
}

}  // namespace

Status check_names(const Context& context, std::string_view model, std::string_view version) {
  const bool other_version = !version.empty() && version != context.options.version;
  if (context.is_model(model) && !other_version) return {};
  std::string name(model);
  if (other_version) name.append(" in version ").append(version);
  return fail(Error{Code::kNotFound, "the model " + name + " is not served here", "model_not_found",
                    "model"});
}

Status read_binary(std::string_view bytes, InferTensor& tensor) {
  if (tensor.datatype != "BYTES") {
    tensor.bytes = bytes;
    return {};
  }
  while (!bytes.empty()) {
    std::uint32_t length = 0;
    if (bytes.size() < sizeof(length)) return wrong_field(tensor.name, "BYTES with whole lengths");
    std::memcpy(&length, bytes.data(), sizeof(length));
    bytes.remove_prefix(sizeof(length));
    if (bytes.size() < length)
      return wrong_field(tensor.name, "BYTES as long as their lengths say");
    tensor.strings.emplace_back(bytes.substr(0, length));
    bytes.remove_prefix(length);
  }
  return {};
}

std::string write_binary(const InferTensor& tensor) {
  if (tensor.datatype != "BYTES") return tensor.bytes;
  std::string bytes;
  for (const std::string& element : tensor.strings) {
    const auto length = static_cast<std::uint32_t>(element.size());
    bytes.append(reinterpret_cast<const char*>(&length), sizeof(length));
    bytes += element;
  }
  return bytes;
}

bool quick_to_write(const std::vector<Answer>& answers) {
  std::size_t bytes = 0;
  for (const Answer& answer : answers) {
    bytes += answer.finished.text.size();
    for (const auto& [name, tensor] : answer.finished.outputs) bytes += tensor.byte_size();
  }
  return bytes <= kQuickAnswerBytes;
}

std::int64_t expected_bytes(const InferTensor& tensor) {
  const auto elements = element_count(tensor.shape);
  if (!elements) return -1;
  if (tensor.datatype == "BYTES") return *elements;
  const auto dtype = dtype_of(tensor.datatype);
  return dtype ? *elements * static_cast<std::int64_t>(size_of(*dtype)) : -1;
}

Result<std::vector<engine::Request>> infer_requests(Call& call, const InferRequest& infer) {
  const model::Manifest& manifest = call.context().package.manifest;
  for (const std::string& name : infer.outputs) {
    if (manifest.find_output(name) == nullptr) {
      return fail(Error{Code::kInvalidArgument, "there is no output named " + name,
                        "unknown_output", name});
    }
  }
  SERIN_TRY_ASSIGN(const auto rows, rows_of(call.context(), infer));
  std::vector<engine::Request> requests;
  json::object fields = infer.parameters;
  for (std::int64_t row = 0; row < rows; ++row) {
    engine::RequestParser::Tensors tensors;
    SERIN_TRY(take_row(manifest, infer, static_cast<std::size_t>(row), fields, tensors));
    SERIN_TRY_ASSIGN(auto request, call.parse(fields, std::move(tensors)));
    constexpr std::uint64_t kLargest = std::numeric_limits<std::int64_t>::max();
    fields["seed"] = (request.seed + 1) & kLargest;
    requests.push_back(std::move(request));
  }
  return requests;
}

Result<InferResponse> infer_response(const Call& call, const InferRequest& infer,
                                     const std::vector<Answer>& answers) {
  InferResponse response{infer.id, {}, call.origin()};
  for (const model::Output& output : call.context().package.manifest.outputs) {
    if (!wanted(infer, output.name)) continue;
    if (!std::holds_alternative<model::TextOutput>(output.kind)) {
      response.outputs.push_back(stacked(output.name, answers));
      continue;
    }
    InferTensor text{output.name, "BYTES", {static_cast<std::int64_t>(answers.size())}};
    for (const Answer& answer : answers) text.strings.push_back(answer.finished.text);
    response.outputs.push_back(std::move(text));
  }
  return response;
}

std::vector<InferField> infer_inputs(const model::Manifest& manifest) {
  std::vector<InferField> fields;
  for (const model::Input& input : manifest.inputs) {
    if (std::holds_alternative<model::NoiseInput>(input.kind)) continue;
    InferField field{input.name, "BYTES", {-1}};
    if (const auto* tensor = std::get_if<model::TensorInput>(&input.kind)) {
      field.datatype = datatype_of(tensor->dtype);
      field.shape.insert(field.shape.end(), tensor->shape.begin(), tensor->shape.end());
    } else if (const auto* number = std::get_if<model::NumberInput>(&input.kind)) {
      field.datatype = number->integer ? "INT64" : "FP64";
    }
    fields.push_back(std::move(field));
  }
  return fields;
}

std::vector<InferField> infer_outputs(const model::Manifest& manifest) {
  std::vector<InferField> fields;
  for (const model::Output& output : manifest.outputs) {
    InferField field{output.name, "BYTES", {-1}};
    if (const model::ResultSpec* result = manifest.find_result(output.result)) {
      field.datatype = datatype_of(result->dtype);
      field.shape = result->shape;
    } else if (const auto* loop = std::get_if<model::DiffusionLoop>(&manifest.loop)) {
      const model::Argument* state = manifest.find_argument(loop->state);
      field.datatype = datatype_of(state->dtype);
      field.shape = state->shape;
    }
    fields.push_back(std::move(field));
  }
  return fields;
}

}  // namespace serin::worker::api
