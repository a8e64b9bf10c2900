// SPDX-License-Identifier: Apache-2.0
// One request of a client from the call to its end, and what a connection must do for it.
// Owned by the pool while it is open, and by who opened it; everything is on the pool's thread.
#pragma once

#include <memory>
#include <optional>
#include <utility>

#include "net/http/client.h"
#include "net/http/uri.h"
#include "net/io/link.h"
#include "net/io/out_queue.h"
#include "net/tls.h"

namespace serin::net {

class ClientSession;
class ClientPool;

struct ClientCall final : ClientStream, std::enable_shared_from_this<ClientCall> {
  explicit ClientCall(ClientRequest&& wanted) : request(std::move(wanted)) {}

  void pause(bool wanted) override;
  void cancel() override;
  void write(std::string_view bytes) override;
  void finish() override;
  std::size_t unsent() const override;
  void on_drained(std::function<void()> call) override;

  ClientRequest request;  // its endpoint is set
  ClientPool* pool = nullptr;
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
  bool paused = false;
  std::int32_t stream_id = 0;  // HTTP/2
  OutQueue out;                // of a streamed body: what no session has taken yet
  bool out_ended = false;
  bool out_taken = false;  // a session has taken some: it cannot be sent again
  std::function<void()> drained_call;

  // The body of a request that is not streamed.
  std::string_view body() const {
    return request.shared_body ? *request.shared_body : request.body;
  }
  std::string_view target() const {
    return request.url.empty() ? request.target : request.endpoint->target;
  }
  void drained();
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
  virtual void resume(ClientCall& call) = 0;  // it is no longer paused
  virtual void body_grew(ClientCall& call) = 0;
  virtual std::size_t unsent(const ClientCall& call) const = 0;
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
