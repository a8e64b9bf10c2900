// SPDX-License-Identifier: Apache-2.0
// What an API server says when it refuses, as our errors, and whether asking again may help. Pure.
#pragma once

#include <cstdint>
#include <string_view>

#include "base/error.h"
#include "base/json.h"
#include "net/http/message.h"

namespace serin::platform::kubernetes {

// Of an answer that is no success: its Status, or what can be made of anything else. The reason is
// Kubernetes's ("AlreadyExists"), the param the fields of its causes with commas between.
//
//   409 Conflict       kAborted: the object was changed by another; read it again
//   409 AlreadyExists  kAlreadyExists
//   410 Gone, Expired  kOutOfRange: what was asked for is so old that nobody knows it any more
//   422 Invalid        kInvalidArgument
//   429                kResourceExhausted
Error error_of(const net::Response& response);
// Of a Status by itself: the last event of a watch.
Error error_of_status(const json::value& status);

// Whether a request that failed so may be sent again. `answered`: the server said so, and not the
// network. `repeatable`: sending it twice does the same as once.
//
// What was not sent, and what was turned away with 429 and a time to come back at, was not done: it
// may always be sent again. A connection that broke and a server in trouble (5xx) leave that open.
bool may_repeat(const Error& error, bool answered, bool repeatable);

}  // namespace serin::platform::kubernetes
