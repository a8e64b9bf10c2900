// SPDX-License-Identifier: Apache-2.0
#include "worker/api/predict/grpc_messages.h"

#include "base/protozero.h"
#include "worker/api/fields.h"

namespace serin::worker::api {
namespace {

using protozero::pbf_reader;
using protozero::pbf_writer;

template <class T>
void append(std::string& bytes, T value) {
  bytes.append(reinterpret_cast<const char*>(&value), sizeof(value));
}

// A map entry: key = 1, value = 2, an InferParameter.
void read_parameter(pbf_reader entry, json::object& parameters) {
  std::string key;
  json::value value;
  while (entry.next()) {
    if (entry.tag() == 1) {
      key = entry.get_string();
    } else if (entry.tag() == 2) {
      pbf_reader parameter = entry.get_message();
      while (parameter.next()) {
        switch (parameter.tag()) {
          case 1:
            value = parameter.get_bool();
            break;
          case 2:
            value = parameter.get_int64();
            break;
          case 3:
            value = json::string(parameter.get_string());
            break;
          case 4:
            value = parameter.get_double();
            break;
          case 5:
            value = parameter.get_uint64();
            break;
          default:
            parameter.skip();
        }
      }
    } else {
      entry.skip();
    }
  }
  parameters[key] = std::move(value);
}

// Integers come as 32 bits whatever the datatype is.
void append_integer(InferTensor& tensor, std::int64_t value) {
  switch (dtype_of(tensor.datatype).value_or(DType::kInt64)) {
    case DType::kBool:
    case DType::kUInt8:
    case DType::kInt8:
      return append(tensor.bytes, static_cast<std::int8_t>(value));
    case DType::kInt16:
      return append(tensor.bytes, static_cast<std::int16_t>(value));
    case DType::kInt32:
      return append(tensor.bytes, static_cast<std::int32_t>(value));
    default:
      return append(tensor.bytes, value);
  }
}

void read_contents(pbf_reader contents, InferTensor& tensor) {
  while (contents.next()) {
    switch (contents.tag()) {
      case 1:
        for (const bool value : contents.get_packed_bool()) append_integer(tensor, value);
        break;
      case 2:
        for (const auto value : contents.get_packed_int32()) append_integer(tensor, value);
        break;
      case 3:
        for (const auto value : contents.get_packed_int64()) append_integer(tensor, value);
        break;
      case 4:
        for (const auto value : contents.get_packed_uint32()) append_integer(tensor, value);
        break;
      case 6:
        for (const float value : contents.get_packed_float()) append(tensor.bytes, value);
        break;
      case 7:
        for (const double value : contents.get_packed_double()) append(tensor.bytes, value);
        break;
      case 8:
        tensor.strings.push_back(contents.get_string());
        break;
      default:
        contents.skip();
    }
  }
}

InferTensor read_input(pbf_reader input) {
  InferTensor tensor;
  std::optional<pbf_reader> contents;  // the datatype may come after it
  while (input.next()) {
    switch (input.tag()) {
      case 1:
        tensor.name = input.get_string();
        break;
      case 2:
        tensor.datatype = input.get_string();
        break;
      case 3:
        for (const auto dimension : input.get_packed_int64()) tensor.shape.push_back(dimension);
        break;
      case 5:
        contents = input.get_message();
        break;
      default:
        input.skip();
    }
  }
  if (contents) read_contents(*contents, tensor);
  return tensor;
}

std::string read_output_name(pbf_reader output) {
  std::string name;
  while (output.next()) {
    if (output.tag() == 1) {
      name = output.get_string();
    } else {
      output.skip();
    }
  }
  return name;
}

Result<GrpcInfer> read_infer(std::string_view bytes) {
  GrpcInfer infer;
  std::vector<std::string> raw;
  pbf_reader message(bytes.data(), bytes.size());
  while (message.next()) {
    switch (message.tag()) {
      case 1:
        infer.model = message.get_string();
        break;
      case 2:
        infer.version = message.get_string();
        break;
      case 3:
        infer.request.id = message.get_string();
        break;
      case 4:
        read_parameter(message.get_message(), infer.request.parameters);
        break;
      case 5:
        infer.request.inputs.push_back(read_input(message.get_message()));
        break;
      case 6:
        infer.request.outputs.push_back(read_output_name(message.get_message()));
        break;
      case 7:
        raw.push_back(message.get_string());
        break;
      default:
        message.skip();
    }
  }
  if (raw.empty()) return infer;
  if (raw.size() != infer.request.inputs.size()) {
    return wrong_field("raw_input_contents", "as many as there are inputs");
  }
  for (std::size_t i = 0; i < raw.size(); ++i)
    SERIN_TRY(read_binary(raw[i], infer.request.inputs[i]));
  return infer;
}

template <class Read>
auto guarded(Read read) -> decltype(read()) {
  try {
    return read();
  } catch (const protozero::exception& broken) {
    return invalid(std::string("the message is no valid protobuf: ") + broken.what());
  } catch (const std::out_of_range& broken) {
    return invalid(std::string("the message is no valid protobuf: ") + broken.what());
  }
}

void write_field(pbf_writer& message, std::uint32_t tag, std::string_view name,
                 std::string_view datatype, const Shape& shape) {
  std::string bytes;
  pbf_writer field(bytes);
  field.add_string(1, name.data(), name.size());
  field.add_string(2, datatype.data(), datatype.size());
  field.add_packed_int64(3, shape.begin(), shape.end());
  message.add_message(tag, bytes);
}

// An entry of the map `parameters`; those of ours are booleans, integers and strings.
void write_parameter(pbf_writer& message, std::string_view name, const json::value& value) {
  std::string content;
  pbf_writer parameter(content);
  if (const bool* flag = value.if_bool()) {
    parameter.add_bool(1, *flag);
  } else if (const std::int64_t* number = value.if_int64()) {
    parameter.add_int64(2, *number);
  } else if (const json::string* text = value.if_string()) {
    parameter.add_string(3, text->data(), text->size());
  }
  std::string entry;
  pbf_writer pair(entry);
  pair.add_string(1, name.data(), name.size());
  pair.add_message(2, content);
  message.add_message(4, entry);
}

}  // namespace

Result<GrpcInfer> read_model_infer(std::string_view bytes) {
  return guarded([&] { return read_infer(bytes); });
}

std::string write_model_infer(const InferResponse& response, std::string_view model,
                              std::string_view version, bool last) {
  std::string bytes;
  pbf_writer message(bytes);
  message.add_string(1, model.data(), model.size());
  message.add_string(2, version.data(), version.size());
  message.add_string(3, response.id);
  for (const auto& [name, value] : response.parameters) write_parameter(message, name, value);
  if (last) write_parameter(message, "triton_final_response", true);
  for (const InferTensor& tensor : response.outputs) {
    write_field(message, 5, tensor.name, tensor.datatype, tensor.shape);
  }
  for (const InferTensor& tensor : response.outputs) message.add_bytes(6, write_binary(tensor));
  return bytes;
}

std::string write_stream_infer(std::string_view error_message, std::string_view infer_response) {
  std::string bytes;
  pbf_writer message(bytes);
  if (!error_message.empty()) message.add_string(1, error_message.data(), error_message.size());
  if (!infer_response.empty()) {
    message.add_message(2, infer_response.data(), infer_response.size());
  }
  return bytes;
}

Result<ModelName> read_model_name(std::string_view bytes) {
  return guarded([&]() -> Result<ModelName> {
    ModelName model;
    pbf_reader message(bytes.data(), bytes.size());
    while (message.next()) {
      if (message.tag() == 1) {
        model.name = message.get_string();
      } else if (message.tag() == 2) {
        model.version = message.get_string();
      } else {
        message.skip();
      }
    }
    return model;
  });
}

std::string write_flag(bool value) {
  std::string bytes;
  pbf_writer(bytes).add_bool(1, value);
  return bytes;
}

std::string write_server_metadata(std::string_view version) {
  std::string bytes;
  pbf_writer message(bytes);
  message.add_string(1, "serin");
  message.add_string(2, version.data(), version.size());
  message.add_string(3, "binary_tensor_data");
  return bytes;
}

std::string write_model_metadata(const Context& context) {
  std::string bytes;
  pbf_writer message(bytes);
  message.add_string(1, context.service());
  message.add_string(2, context.options.version);
  message.add_string(3, "serin_" + std::string(name_of(context.package.manifest.engine)));
  for (const InferField& field : infer_inputs(context.package.manifest)) {
    write_field(message, 4, field.name, field.datatype, field.shape);
  }
  for (const InferField& field : infer_outputs(context.package.manifest)) {
    write_field(message, 5, field.name, field.datatype, field.shape);
  }
  return bytes;
}

}  // namespace serin::worker::api
