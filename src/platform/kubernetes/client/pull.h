// SPDX-License-Identifier: Apache-2.0
// An answer that comes piece by piece, read by a thread that waits for it: what a client's thread
// is called with is kept, up to a bound past which the server is held up. One reader, who owns it;
// destroying it tells the server at once that nobody listens.
#pragma once

#include <memory>
#include <string>

#include "net/http/client.h"
#include "net/io/threads.h"

namespace serin::platform::kubernetes {

class Pull {
 public:
  // Of a client that runs on `io`; both outlive it.
  Pull(net::IoThreads& io, net::Client& client, net::ClientRequest request);
  ~Pull();
  Pull(const Pull&) = delete;
  Pull& operator=(const Pull&) = delete;

  // Each blocks, until the request's time is over or it is cancelled.
  Result<net::ResponseHead> head();
  Result<std::string> next();  // empty: the end

 private:
  struct State;
  net::IoThreads& io_;
  std::shared_ptr<State> state_;
};

}  // namespace serin::platform::kubernetes
