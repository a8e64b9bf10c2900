// SPDX-License-Identifier: Apache-2.0
// One request of a client from the call to its end, and what a connection must do for it.
// Owned by the pool while it is open; everything is on the pool's thread.
#pragma once

#include <memory>
#include <optional>

#include "net/http/client.h"
#include "net/http/uri.h"
#include "net/io/link.h"
#include "net/tls.h"

namespace serin::net {

class ClientSession;

struct ClientCall {
  ClientRequest request;
  Endpoint endpoint;
  std::shared_ptr<TlsContext> tls;  // for an https endpoint
  ResponseSink sink;
  Instant deadline;
  std::size_t body_limit = 0;  // 0: none
  std::size_t body_bytes = 0;
  ClientSession* session = nullptr;  // that carries it now
  bool sent = false;                 // the other side may have seen some of it
  bool answered = false;             // a byte of the answer came
  bool retried = false;
  bool ended = false;

  void head(ResponseHead&& head);
  // False: the answer has become too large, and the call has failed.
  bool bytes(std::string_view piece);
  void end(const Headers& trailers);
  void fail(Error error);
  // Sending it a second time changes nothing (RFC 9110, section 9.2.2).
  bool idempotent() const;
};

// What a connection that carries calls looks like to the pool.
class ClientSession : public LinkUser {
 public:
  virtual std::size_t room() const = 0;  // further calls it can carry now
  virtual std::size_t load() const = 0;  // calls it carries
  virtual bool http2() const = 0;
  virtual void begin(const std::shared_ptr<ClientCall>& call) = 0;
  virtual void cancel(ClientCall& call) = 0;  // the call has ended: forget it
  virtual void close() = 0;
};

// What a session tells its pool.
class ClientSessionOwner {
 public:
  virtual ~ClientSessionOwner() = default;
  virtual void has_room(ClientSession& session) = 0;
  virtual void ended(ClientSession& session) = 0;
  // A call that its connection lost. `error` stands unless another connection may try.
  virtual void lost(const std::shared_ptr<ClientCall>& call, Error error) = 0;
  virtual const ClientLimits& limits() const = 0;
};

std::unique_ptr<ClientSession> make_h1_client_session(Link& link, ClientSessionOwner& owner);
std::unique_ptr<ClientSession> make_h2_client_session(Link& link, ClientSessionOwner& owner);

}  // namespace serin::net
