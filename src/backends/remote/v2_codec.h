// SPDX-License-Identifier: Apache-2.0
// The client's side of the Open Inference Protocol v2 over REST
// (https://github.com/kserve/open-inference-protocol), with Triton's binary-tensor extension where
// the server has it. Pure: bytes in, values out. Answers are untrusted.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "base/tensor.h"
#include "engine/backend.h"
#include "model/manifest.h"

namespace serin::backends::v2 {

struct Body {
  std::string bytes;
  std::optional<std::size_t> header_bytes;  // of JSON, where binary tensors follow it
};

// `arguments` in the order of call.arguments, all given.
Body write_request(const model::Call& call, std::span<const Tensor> arguments, bool binary);

// The results of the call, in its order. kInternal with the reason bad_upstream when the answer is
// not what the protocol or the call says.
Result<std::vector<Tensor>> read_answer(const model::Call& call, std::string_view body,
                                        std::optional<std::size_t> header_bytes);

// GET /v2/models/NAME.
Result<engine::Signature> read_metadata(std::string_view body);
// GET /v2: whether the server reads and writes binary tensors.
bool has_binary_extension(std::string_view body);
// {"error": "…"}; empty where there is none.
std::string error_message(std::string_view body);

// Names, datatypes and shapes of the call against what the server says of its model.
// kInvalidArgument says what differs.
Status check_call(const model::Call& call, const engine::Signature& server);

}  // namespace serin::backends::v2
