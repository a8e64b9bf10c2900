// SPDX-License-Identifier: Apache-2.0
// The REST form of the Open Inference Protocol, with Triton's binary-tensor extension
// (https://github.com/triton-inference-server/server/blob/main/docs/protocol/extension_binary_data.md).
// Pure.
#pragma once

#include <optional>
#include <string>

#include "worker/api/predict/infer.h"

namespace serin::worker::api {

struct V2Message {
  InferRequest request;
  std::vector<std::string> binary_outputs;  // those to be given in binary
  bool all_binary = false;
};

// `header_bytes` is Inference-Header-Content-Length: how much of the body is JSON; binary tensors
// follow in order.
Result<V2Message> parse_v2(std::string_view body, std::optional<std::size_t> header_bytes,
                           const JsonLimits& limits = {});

struct V2Body {
  std::string bytes;
  std::optional<std::size_t> header_bytes;  // set when binary tensors follow the JSON
};
V2Body write_v2(const V2Message& message, const InferResponse& response, std::string_view model,
                std::string_view version);

// A nested or flat JSON array of an InferTensor's elements, and back; what v1 shares. `shape` must
// be known to read.
Status read_elements(const json::value& data, InferTensor& tensor);
json::array write_elements(const InferTensor& tensor);

}  // namespace serin::worker::api
