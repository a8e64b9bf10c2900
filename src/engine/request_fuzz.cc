// SPDX-License-Identifier: Apache-2.0
// Any bytes as the JSON of a request, on a package with every kind of input: an error or a complete
// request, nothing else.
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "engine/every_input.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace serin;
  static const model::Package package = engine::fake::every_input();
  static const engine::RequestParser parser = engine::fake::parser_of(package);
  const auto value = parse_json({reinterpret_cast<const char*>(data), size});
  if (!value || !value->is_object()) return 0;
  const auto request = parser.parse(value->get_object());
  if (!request) {
    SERIN_CHECK(!request.error().message.empty());
    return 0;
  }
  SERIN_CHECK(!request->prompt.empty());
  SERIN_CHECK(request->inputs.size() + 1 == package.manifest.inputs.size());
  return 0;
}
