// SPDX-License-Identifier: Apache-2.0
// Opens a connection: resolves, tries each address, within a time. For the loop's thread.
#pragma once

#include <chrono>
#include <functional>

#include "base/error.h"
#include "net/http/uri.h"
#include "net/io/listener.h"
#include "net/io/loop.h"

namespace serin::net {

// Calls back once on the loop's thread with the connected socket or kUnavailable; not at all when
// the loop ends first.
void connect(Loop& loop, const Endpoint& endpoint, std::chrono::milliseconds at_most,
             std::function<void(Result<OwnedFd>)> done);

}  // namespace serin::net
