// SPDX-License-Identifier: Apache-2.0
// The reserved keys of a request: which ones a package knows, and what they may hold. Pure.
#pragma once

#include <string_view>
#include <vector>

#include "base/error.h"
#include "base/json.h"
#include "engine/engine.h"
#include "model/manifest.h"

namespace serin::engine {

std::vector<std::string_view> reserved_keys(const model::Manifest& manifest);

// A whole number from `low` to `high`.
Result<std::int64_t> integer_from(std::string_view key, const json::value& value, std::int64_t low,
                                  std::int64_t high);
// Null for a key that is absent or null.
const json::value* present(const json::object& fields, std::string_view key);

Result<Sampling> sampling_from(const json::object& fields, std::int64_t most_tokens);
// Fills request.steps and request.guidance.
Status diffusion_from(const json::object& fields, const model::DiffusionLoop& loop,
                      Request& request);

}  // namespace serin::engine
