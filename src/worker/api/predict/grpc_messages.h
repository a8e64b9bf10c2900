// SPDX-License-Identifier: Apache-2.0
// The Open Inference Protocol's gRPC messages (open_inference_grpc.proto), read and written field
// by field with protozero: no generated code, no protobuf symbols beside TensorFlow's. Pure;
// readers take bytes from outside.
#pragma once

#include <string>
#include <string_view>

#include "worker/api/predict/infer.h"

namespace serin::worker::api {

struct GrpcInfer {
  std::string model, version;
  InferRequest request;
};
// kInvalidArgument for bytes that are no ModelInferRequest, and for contents that do not fit their
// datatype.
Result<GrpcInfer> read_model_infer(std::string_view bytes);
// `last`: with the parameter triton_final_response, for streams.
std::string write_model_infer(const InferResponse& response, std::string_view model,
                              std::string_view version, bool last = false);
// ModelStreamInferResponse: one of the two is empty.
std::string write_stream_infer(std::string_view error_message, std::string_view infer_response);

struct ModelName {
  std::string name, version;
};
Result<ModelName> read_model_name(
    std::string_view bytes);         // ModelReadyRequest, ModelMetadataRequest
std::string write_flag(bool value);  // ServerLive-, ServerReady-, ModelReadyResponse
std::string write_server_metadata(std::string_view version);
std::string write_model_metadata(const Context& context);

}  // namespace serin::worker::api
