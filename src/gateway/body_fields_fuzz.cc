// SPDX-License-Identifier: Apache-2.0
// Bodies as the gateway looks at them: what is found points into the body, and a body that was JSON
// is JSON with a seed.
#include <cstdint>

#include "base/check.h"
#include "base/json.h"
#include "gateway/body_fields.h"
#include "gateway/route.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace serin;
  const std::string_view body(reinterpret_cast<const char*>(data), size);
  gateway::grpc_name(body, size % 2 == 0);
  const auto fields = gateway::scan_body(body);
  if (!fields) return 0;
  SERIN_CHECK(fields->first_field <= size);
  if (!fields->prompt.empty())
    SERIN_CHECK(fields->prompt.data() >= body.data() &&
                fields->prompt.data() + fields->prompt.size() <= body.data() + size);
  if (fields->seeded) return 0;
  const auto before = parse_json(body);
  if (!before || !before->is_object()) return 0;
  const auto after = parse_json(gateway::with_seed(body, *fields, 42));
  SERIN_CHECK(after && after->as_object().at("seed") == 42);
  return 0;
}
