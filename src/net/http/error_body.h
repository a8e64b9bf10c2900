// SPDX-License-Identifier: Apache-2.0
// The one JSON shape of an error, OpenAI's, with what a client may do about it. Pure.
#pragma once

#include <string>

#include "base/error.h"
#include "base/json.h"
#include "net/http/message.h"

namespace serin::net {

// What a program knows an error by: its reason, else the canonical code's name in lower case.
std::string error_code(const Error& error);
// {"error": {"message", "type", "param", "code"}}
json::object error_object(const Error& error);
// The whole answer: status, Retry-After where a retry can help, and the body.
Response error_response(const Error& error);
// Inside a stream: the same object with `retryable`, as the data of an event named "error".
std::string error_event(const Error& error);

// Whether the same request may succeed later or elsewhere.
bool retryable(const Error& error);

}  // namespace serin::net
