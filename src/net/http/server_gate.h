// SPDX-License-Identifier: Apache-2.0
// The first user of a server's connection: finds out which protocol it speaks (ALPN under TLS, else
// HTTP/2's preface) and hands the link over.
#pragma once

#include <memory>

#include "net/http/server_context.h"
#include "net/io/link.h"

namespace serin::net {

std::unique_ptr<LinkUser> make_server_gate(Link& link, ServerContext& context);

}  // namespace serin::net
