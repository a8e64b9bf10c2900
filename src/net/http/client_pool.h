// SPDX-License-Identifier: Apache-2.0
// A client's connections on one loop: which are open, which call goes on which, and who waits.
// Owned by the client, used on the loop's thread; shut() ends it.
#pragma once

#include <deque>
#include <memory>
#include <unordered_map>
#include <vector>

#include "net/http/client_call.h"
#include "net/io/listener.h"
#include "net/tls.h"

namespace serin::net {

class ClientPool final : public ClientSessionOwner {
 public:
  ClientPool(Loop& loop, const ClientLimits& limits);
  ~ClientPool() override;

  // Never calls back before it returns.
  void begin(std::shared_ptr<ClientCall> call);
  void drained_soon(ClientCall& call);
  void shut();  // every open call ends with kCancelled

  void has_room(ClientSession& session) override;
  void ended(ClientSession& session) override;
  void lost(const std::shared_ptr<ClientCall>& call, Error error) override;
  const ClientLimits& limits() const override { return limits_; }

  // --- for the connection while it learns its protocol
  struct Host {
    std::shared_ptr<const Endpoint> endpoint;
    HostLimits limits;  // as the last request had them, the client's where it had none
    Instant used;
    std::shared_ptr<TlsContext> tls;
    bool prior_http2 = false;
    bool speaks_http2 = false;  // as far as is known
    std::size_t connecting = 0;
    std::vector<ClientSession*> sessions;
    std::deque<std::shared_ptr<ClientCall>> waiting;
  };
  std::unique_ptr<LinkUser> opened(Host& host, Link& link);
  void not_opened(Host& host, const Error& error);

 private:
  Host& host_of(const ClientCall& call);
  void enqueue(std::shared_ptr<ClientCall> call);
  void dispatch(Host& host);
  void open_connection(Host& host);
  void connected(Host& host, Result<OwnedFd> fd);
  void tick();
  void forget_hosts();
  void fail_soon(const std::shared_ptr<ClientCall>& call, Error error);
  void finish(ClientCall& call, Error error);

  Loop& loop_;
  ClientLimits limits_;
  bool shut_ = false;
  std::unordered_map<std::string, std::unique_ptr<Host>> hosts_;
  std::unordered_map<ClientSession*, Host*> host_of_session_;
  std::vector<std::shared_ptr<ClientCall>> calls_;  // looked through at each tick
};

}  // namespace serin::net
