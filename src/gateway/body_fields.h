// SPDX-License-Identifier: Apache-2.0
// The few top-level fields of a JSON body that a gateway needs, found without parsing the rest: a
// prompt of 220 KB costs less than a millisecond. Pure; the views point into the body.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace serin::gateway {

struct BodyFields {
  std::string model;             // empty: not there, or no text
  std::string user;              // `safety_identifier`, else `user`
  std::string_view prompt;       // raw JSON of `messages`, `prompt` or `input`
  bool stream = false;           // "stream": true
  double max_tokens = 0;         // under any of its names; 0: not said
  std::string_view model_value;  // raw JSON of `model`
  bool seeded = false;           // there is a `seed` that is not null
  // One answer is asked for, from its beginning: no `n`, no list of prompts, no `serin_continue`.
  bool one_answer = true;
  std::size_t first_field = 0;  // where the first field, or the closing brace, begins
  bool empty = false;           // {}
  std::string_view parameters;  // raw JSON of `parameters`; empty: not there
  std::string_view null_seed;   // "seed": null, from its first to its last byte
};

// nullopt where the body is no JSON object. What is malformed in other ways is for the worker to
// say; nothing here reads beyond the body.
std::optional<BodyFields> scan_body(std::string_view body);

// The body with another model's name, where it names one. The name needs no escapes.
std::string with_model(std::string_view body, const BodyFields& fields, std::string_view model);

// The body with that seed, where it has none.
std::string with_seed(std::string_view body, const BodyFields& fields, std::uint64_t seed);

}  // namespace serin::gateway
