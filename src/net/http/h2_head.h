// SPDX-License-Identifier: Apache-2.0
// The head of an HTTP/2 request, once nghttp2 has passed its fields.
#pragma once

#include <cstdint>

#include "net/http/h1_codec.h"
#include "net/http/message.h"

namespace serin::net {

// What HTTP/1.1's reader checks and nghttp2 does not. Fills in authority, path and query. Returns
// what is wrong; status 0 when nothing is. Pure.
h1::Fault check_h2_head(RequestHead& head, std::uint64_t most_body);

}  // namespace serin::net
