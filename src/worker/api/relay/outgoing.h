// SPDX-License-Identifier: Apache-2.0
// A request of ours as the upstream wants it. Pure.
#pragma once

#include <cstdint>
#include <string>

#include "base/error.h"
#include "base/json.h"
#include "engine/request.h"
#include "model/manifest.h"

namespace serin::worker::api {

struct Outgoing {
  std::string path;  // below the upstream's URL
  json::object body;
  std::uint64_t seed = 0;  // of plain_generate(): given or drawn
};

// The fields of POST /generate for an upstream that speaks OpenAI's API: `prompt` is completed,
// `messages` are answered; a picture's and a sound's `prompt` is what OpenAI calls it there.
Result<Outgoing> openai_generate(const model::Manifest& manifest, json::object fields);

// For any other upstream: every input of the package, checked, with its default where the client
// gave none, and the seed.
Result<Outgoing> plain_generate(const model::Manifest& manifest,
                                const engine::RequestParser& parser, const json::object& fields);

}  // namespace serin::worker::api
