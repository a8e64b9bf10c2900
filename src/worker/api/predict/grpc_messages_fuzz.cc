// SPDX-License-Identifier: Apache-2.0
// Protobuf messages of gRPC clients.
#include "base/check.h"
#include "worker/api/predict/grpc_messages.h"

extern "C" int LLVMFuzzerTestOneInput(const unsigned char* data, std::size_t size) {
  using namespace serin::worker::api;
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  (void)read_model_name(bytes);
  const auto infer = read_model_infer(bytes);
  if (!infer) {
    SERIN_CHECK(infer.error().code == serin::Code::kInvalidArgument);
    return 0;
  }
  (void)write_model_infer({infer->request.id, infer->request.inputs}, infer->model, infer->version);
  return 0;
}
