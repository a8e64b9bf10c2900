// SPDX-License-Identifier: Apache-2.0
// Any bytes as a path and as a URL: a path that is let through holds no dot segment and no control
// byte, and routing and parsing it never fails.
#include <cstdint>
#include <cstdlib>
#include <string>

#include "net/http/router.h"
#include "net/http/uri.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace serin::net;
  static const auto* const router = [] {
    auto* made = new Router;  // lives as long as the process
    const RouteHandler nothing = [](auto, const auto&) {};
    made->add("GET", "/v1/models/{model}", nothing);
    made->add("GET", "/v1/models/{model}:predict", nothing);
    made->add("GET", "/v2/{a}/x/{b}", nothing);
    return made;
  }();
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  std::string path;
  if (decode_path(bytes, path).empty() &&
      bytes.find_first_of(std::string_view("\0\r\n", 3)) == std::string::npos) {
    if (path.find('\0') != std::string::npos || path.find("/../") != std::string::npos ||
        path.find('\n') != std::string::npos)
      std::abort();
  }
  const auto match = router->match("GET", path);
  for (const auto& [name, value] : match.parameters)
    if (value.empty() || value.find('/') != std::string::npos) std::abort();
  if (const auto url = parse_url(bytes); url && (url->target.empty() || url->target.front() != '/'))
    std::abort();
  form_decode(bytes);
  is_authority(bytes);
  return 0;
}
