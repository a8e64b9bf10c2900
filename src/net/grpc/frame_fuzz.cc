// SPDX-License-Identifier: Apache-2.0
// Any bytes as a stream of gRPC messages: they must not depend on how the bytes are cut.
#include <cstdint>
#include <cstdlib>

#include "net/grpc/frame.h"

namespace {

std::string read_all(std::string_view bytes, std::size_t step) {
  serin::net::grpc::Deframer in(512);
  std::string seen;
  for (std::size_t at = 0; at < bytes.size(); at += step) {
    in.feed(bytes.substr(at, step));
    while (true) {
      auto message = in.next();
      if (!message) return seen + "!" + message.error().message;
      if (!*message) break;
      seen += "[" + **message + "]";
    }
  }
  return seen;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size < 2) return 0;
  const std::string_view bytes(reinterpret_cast<const char*>(data) + 1, size - 1);
  if (read_all(bytes, bytes.size()) != read_all(bytes, 1u + data[0] % 16)) std::abort();
  serin::net::RequestHead head;
  head.headers.add("grpc-timeout", bytes);
  if (const auto timeout = serin::net::grpc::timeout(head);
      timeout && **timeout < std::chrono::nanoseconds(0))
    std::abort();
  return 0;
}
