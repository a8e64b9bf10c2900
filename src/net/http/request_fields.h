// SPDX-License-Identifier: Apache-2.0
// Fields of a request that all of Serin's servers read alike. Pure.
#pragma once

#include <optional>
#include <string_view>

#include "base/clock.h"
#include "base/error.h"
#include "net/http/message.h"

namespace serin::net {

// The time that a client gives a request: Serin-Timeout, or grpc-timeout of a gRPC call; unset
// where it gives none. kInvalidArgument says what is wrong with the field.
Result<std::optional<Duration>> requested_timeout(const RequestHead& head);

// A request id that the client chose (X-Request-Id), if it is harmless to repeat in a log or a
// field; else empty.
std::string_view usable_request_id(const Headers& headers);

}  // namespace serin::net
