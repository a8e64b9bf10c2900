// SPDX-License-Identifier: Apache-2.0
// What POST /v1/videos asks for, as JSON or as a form, becomes a job. Safe from any thread.
#pragma once

#include <string>
#include <string_view>

#include "base/json.h"
#include "worker/api/context.h"
#include "worker/jobs/video_store.h"

namespace serin::worker::api {

// The parts of a form as the JSON object that says the same: files in base64, and what the package
// takes as a number or a tensor read as JSON. kInvalidArgument for a malformed form and for a name
// that comes twice. Pure.
Result<json::object> read_form(const model::Manifest& manifest, std::string_view content_type,
                               std::string_view body);

struct VideoRequest {
  VideoJob job;         // without an id
  json::object fields;  // the package's, with the seed
};
// Checks everything that can be known without running the model.
Result<VideoRequest> read_video_request(const Context& context, const json::object& body);

// The duration of a clip as OpenAI writes it: "1.33". Pure.
std::string seconds_of(std::int64_t frames, double frame_rate);

}  // namespace serin::worker::api
