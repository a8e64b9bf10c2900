// SPDX-License-Identifier: Apache-2.0
// Any bytes as requests on one connection: what the reader makes of them must not depend on how
// they are cut, since a proxy before us may cut them another way.
#include <cstdint>
#include <cstdlib>
#include <string>

#include "net/http/h1_codec.h"

namespace {

using namespace serin::net::h1;

// All requests of `bytes`, and how it ended, as text.
std::string read_all(std::string_view bytes, std::size_t step) {
  const Limits limits{2048, 16, 4096};
  RequestReader reader(limits);
  BodyReader body(limits);
  std::string seen;
  std::string ahead;
  bool in_body = false;
  std::size_t at = 0;
  while (true) {
    std::size_t used = 0;
    std::string_view piece;
    const Step result = in_body ? body.read(ahead, used, piece) : reader.read(ahead, used);
    seen += piece;
    ahead.erase(0, used);
    if (result == Step::kFault)
      return seen + "!" + std::string(in_body ? body.fault().code : reader.fault().code);
    if (result == Step::kDone && in_body) {
      in_body = false;
      reader.reset();
      seen += ";";
      continue;
    }
    if (result == Step::kDone) {
      const auto& head = reader.head();
      seen += head.method + " " + head.path + " " + head.authority + " ";
      for (const auto& [name, value] : head.headers) seen += name + "=" + value + ",";
      body.reset(reader.framing());
      in_body = true;
      continue;
    }
    if (used > 0) continue;
    if (at >= bytes.size()) return seen + "...";
    ahead += bytes.substr(at, step);
    at += step;
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size < 2) return 0;
  const std::string_view bytes(reinterpret_cast<const char*>(data) + 1, size - 1);
  const std::string whole = read_all(bytes, bytes.size());
  const std::string cut = read_all(bytes, 1u + data[0] % 64);
  if (whole != cut) std::abort();
  return 0;
}
