// SPDX-License-Identifier: Apache-2.0
// The Open Inference Protocol v2 (https://github.com/kserve/open-inference-protocol), free of its
// wire forms: tensors with a batch dimension in, one generation a row, tensors out. REST and gRPC
// both come through here.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "base/datatype.h"
#include "base/json.h"
#include "base/tensor.h"
#include "worker/api/generation.h"

namespace serin::worker::api {

// Of BYTES the elements lie in `strings`, of every other datatype little-endian in `bytes`.
struct InferTensor {
  std::string name;
  std::string datatype;  // "FP32", "BYTES", …
  Shape shape;
  std::string bytes = {};
  std::vector<std::string> strings = {};
};

struct InferRequest {
  std::string id;
  json::object parameters;  // seed, max_tokens and the other reserved keys
  std::vector<InferTensor> inputs;
  std::vector<std::string> outputs;  // names; empty: all
};

struct InferResponse {
  std::string id;
  std::vector<InferTensor> outputs;
  json::object parameters = {};  // what the generation was made of, as Call::origin() has it
};

// kNotFound when another model or version is asked for than this worker serves; empty: whichever.
Status check_names(const Context& context, std::string_view model, std::string_view version);

// BYTES in binary, as Triton has it: each element after its length, 4 bytes little-endian.
Status read_binary(std::string_view bytes, InferTensor& tensor);
std::string write_binary(const InferTensor& tensor);

std::int64_t expected_bytes(const InferTensor& tensor);  // of `bytes`; −1 when the shape is not one

// One request a row. kInvalidArgument with `param` naming the input.
Result<std::vector<engine::Request>> infer_requests(Call& call, const InferRequest& infer);
// Rows stacked again; with what the Call says of their generation.
Result<InferResponse> infer_response(const Call& call, const InferRequest& infer,
                                     const std::vector<Answer>& answers);

// Whether writing these answers is short enough for a connection's own thread.
bool quick_to_write(const std::vector<Answer>& answers);

// A package's inputs and outputs as the protocol names them, for metadata.
struct InferField {
  std::string name, datatype;
  Shape shape;  // −1: the batch
};
std::vector<InferField> infer_inputs(const model::Manifest& manifest);
std::vector<InferField> infer_outputs(const model::Manifest& manifest);

}  // namespace serin::worker::api
