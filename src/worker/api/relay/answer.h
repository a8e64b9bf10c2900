// SPDX-License-Identifier: Apache-2.0
// What an upstream answered, read: its errors in our shape, its JSON and events under our names.
// Pure; everything here comes from outside and may be anything.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/error.h"
#include "base/json.h"
#include "net/http/message.h"
#include "net/sse.h"

namespace serin::worker::api {

// The upstream said something that is not its protocol: 502.
Error bad_upstream(std::string what);
// An answer that is no success. What the client did wrong stays 400, 404, 413, 422 or 429 with the
// upstream's own param and code; a redirect, a refused key and a failure of its own are 502.
Error error_of_answer(const net::ResponseHead& head, std::string_view body);
// What the HTTP client said, as the upstream's fault: 503 with Retry-After, 504 or 502.
Error error_of_transport(Error error);

Result<json::object> read_upstream_object(std::string_view body);

struct Usage {
  std::int64_t prompt = 0, completion = 0;
};
// `usage` of any of OpenAI's forms, also inside `response`.
std::optional<Usage> usage_in(const json::object& answer);
// The upstream's name for the model becomes ours.
void rename_model(json::object& answer, std::string_view name);
// choices[0]: `text` of a completion, `message.content` of a chat, `delta.content` of its stream.
// Nothing where there is none of them.
std::optional<std::string> text_in(const json::object& answer);
// data[0].b64_json, decoded.
Result<std::string> image_in(const json::object& answer);
// "image/png" and so on, by the first bytes; empty for what is none of them.
std::string_view image_type(std::string_view bytes);

struct RelayedEvent {
  net::SseEvent event;
  json::object data;  // empty of [DONE]
  bool last = false;
};
// One event of a stream, renamed. An error that the upstream put into the stream is an Error here.
Result<RelayedEvent> read_upstream_event(net::SseEvent event, std::string_view name);

}  // namespace serin::worker::api
