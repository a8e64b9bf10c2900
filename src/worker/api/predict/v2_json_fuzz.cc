// SPDX-License-Identifier: Apache-2.0
// Bodies of the Open Inference Protocol: the first byte says where the JSON ends (255: everywhere).
#include "base/check.h"
#include "worker/api/predict/v2_json.h"

extern "C" int LLVMFuzzerTestOneInput(const unsigned char* data, std::size_t size) {
  using namespace serin::worker::api;
  if (size == 0) return 0;
  const std::string_view body(reinterpret_cast<const char*>(data) + 1, size - 1);
  std::optional<std::size_t> header_bytes;
  if (data[0] != 255) header_bytes = data[0];
  const auto message = parse_v2(body, header_bytes);
  if (!message) {
    SERIN_CHECK(!message.error().message.empty());
    return 0;
  }
  // What was read can be written: as an answer of the same tensors. Not BYTES, which may hold what
  // is no text; a worker gives only text in them.
  InferResponse response{message->request.id, {}};
  for (const InferTensor& input : message->request.inputs) {
    if (input.datatype != "BYTES" &&
        expected_bytes(input) == static_cast<std::int64_t>(input.bytes.size())) {
      response.outputs.push_back(input);
    }
  }
  const V2Body written = write_v2(*message, response, "m", "v");
  SERIN_CHECK(serin::parse_json(std::string_view(written.bytes)
                                    .substr(0, written.header_bytes.value_or(written.bytes.size())))
                  .has_value());
  return 0;
}
