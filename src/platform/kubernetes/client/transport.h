// SPDX-License-Identifier: Apache-2.0
// Requests to one API server: on connections that show today's certificates, with today's token.
// Owned by the Api. Any thread.
#pragma once

#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>

#include "net/http/client.h"
#include "platform/kubernetes/client/credentials.h"

namespace serin::platform::kubernetes {

class Transport {
 public:
  // kInvalidArgument where the certificates of `access` are none; a plugin may run. The clock
  // outlives it.
  static Result<std::unique_ptr<Transport>> create(Access access, const Clock& clock,
                                                   std::size_t answer_bytes);

  // Blocks for the whole answer; `request.target` is the path. Any status is a success. The
  // request's time-out is also that of finding out who we are.
  Result<net::Response> fetch(net::ClientRequest request);
  // Blocks while `take` is given the bytes of an answer of status 200, on the calling thread, until
  // it ends; `begun` comes before that, as soon as there is such an answer. Another answer is its
  // error. No more is read ahead than some hundred kilobytes, and a window of HTTP/2.
  Status stream(net::ClientRequest request,
                const std::function<Status(std::string_view bytes)>& take,
                const std::function<void()>& begun = {});

  const Access& access() const { return credentials_.access(); }

 private:
  // The connections that show one certificate. Those who use it own it: what is under way on an old
  // one goes on.
  struct Session;

  // Who we are, and the connections as that one.
  struct Now {
    Identity identity;
    std::shared_ptr<Session> session;
  };

  Transport(Access access, const Clock& clock, std::size_t answer_bytes);
  Result<Now> now(const CancelToken& cancel, Instant until);
  Result<std::shared_ptr<Session>> connect(const net::TlsClientOptions& tls) const;
  // The server knew nobody of that identity: who we are instead; empty: nobody else.
  std::optional<Now> another(const Now& refused, const CancelToken& cancel, Instant until);
  net::ClientRequest address(net::ClientRequest request, const Now& now, Instant until) const;

  Credentials credentials_;
  const std::size_t answer_bytes_;
  std::mutex mutex_;
  net::TlsClientOptions shown_;   // what session_ was made for
  net::TlsClientOptions broken_;  // what the last one could not be made for
  std::shared_ptr<Session> session_;
};

}  // namespace serin::platform::kubernetes
