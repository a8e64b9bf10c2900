// SPDX-License-Identifier: Apache-2.0
// The first line is a Content-Type, the rest a body: whatever is read lies inside the body.
#include "base/check.h"
#include "worker/api/multipart.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace serin::worker::api;
  const std::string_view input(reinterpret_cast<const char*>(data), size);
  const auto line = std::min(input.find('\n'), input.size());
  const auto boundary = multipart_boundary(input.substr(0, line));
  if (!boundary) return 0;
  const std::string_view body = input.substr(std::min(line + 1, input.size()));
  const auto parts = parse_multipart(body, *boundary);
  if (!parts) return 0;
  for (const FormPart& part : *parts) {
    SERIN_CHECK(!part.name.empty());
    SERIN_CHECK(part.body.data() >= body.data());
    SERIN_CHECK(part.body.data() + part.body.size() <= body.data() + body.size());
    SERIN_CHECK(part.body.find("\r\n--" + *boundary) == std::string_view::npos);
  }
  return 0;
}
