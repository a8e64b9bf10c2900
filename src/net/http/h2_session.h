// SPDX-License-Identifier: Apache-2.0
// The server's side of an HTTP/2 connection (RFC 9113) over nghttp2.
#pragma once

#include <memory>

#include "net/http/server_context.h"
#include "net/io/link.h"

namespace serin::net {

std::unique_ptr<LinkUser> make_h2_session(Link& link, ServerContext& context);

}  // namespace serin::net
