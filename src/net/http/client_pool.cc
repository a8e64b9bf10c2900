// SPDX-License-Identifier: Apache-2.0
#include "net/http/client_pool.h"

#include <algorithm>
#include <utility>

#include "net/io/connect.h"

namespace serin::net {

namespace {

// The first user of a client's connection: waits for TLS and hands over to the protocol that ALPN
// chose.
class ClientGate final : public LinkUser {
 public:
  ClientGate(ClientPool& pool, ClientPool::Host& host, Link& link, Instant deadline)
      : pool_(pool), host_(host), link_(link), deadline_(deadline) {}

  void on_open() override {
    opened_ = true;
    link_.hand_to(pool_.opened(host_, link_));
  }
  void on_bytes() override {}
  void on_tick() override {
    if (link_.loop().now() > deadline_) link_.close();
  }
  void on_closed(LinkEnd end) override {
    if (opened_) return;
    const std::string why =
        end == LinkEnd::kTlsFailed ? "TLS: " + link_.tls_failure() : "the connection was cut";
    pool_.not_opened(
        host_, {Code::kUnavailable, "cannot connect to " + host_.endpoint->authority + ": " + why});
  }

 private:
  ClientPool& pool_;
  ClientPool::Host& host_;
  Link& link_;
  Instant deadline_;
  bool opened_ = false;
};

}  // namespace

ClientPool::ClientPool(Loop& loop, const ClientLimits& limits) : loop_(loop), limits_(limits) {
  loop.post([this] { loop_.on_tick([this] { tick(); }); });
}

ClientPool::~ClientPool() = default;

ClientPool::Host& ClientPool::host_of(const ClientCall& call) {
  const Endpoint& endpoint = *call.request.endpoint;
  std::string key = endpoint.key();
  if (call.request.http2) key += " h2";
  auto& host = hosts_[std::move(key)];
  if (!host) {
    host = std::make_unique<Host>();
    host->endpoint = call.request.endpoint;
    host->tls = call.tls;
    host->prior_http2 = call.request.http2 && !endpoint.tls;
    host->speaks_http2 = host->prior_http2;
  }
  const HostLimits& asked = call.request.host;
  host->limits = asked;
  if (asked.connections == 0) host->limits.connections = limits_.connections_per_host;
  if (asked.pending == 0) host->limits.pending = limits_.pending_per_host;
  host->used = loop_.now();
  return *host;
}

void ClientPool::begin(std::shared_ptr<ClientCall> call) {
  call->pool = this;
  if (shut_) return fail_soon(call, {Code::kCancelled, "the client was closed"});
  calls_.push_back(call);
  loop_.need_tick();
  enqueue(std::move(call));
}

void ClientPool::fail_soon(const std::shared_ptr<ClientCall>& call, Error error) {
  loop_.post([call, error = std::move(error)] { call->fail(error); });
}

void ClientPool::drained_soon(ClientCall& call) {
  loop_.post([held = call.shared_from_this()] { held->drained(); });
}

void ClientPool::enqueue(std::shared_ptr<ClientCall> call) {
  Host& host = host_of(*call);
  if (host.waiting.size() >= host.limits.pending)
    return fail_soon(call, {Code::kResourceExhausted,
                            "more than " + std::to_string(host.limits.pending) +
                                " requests wait for a connection to " + host.endpoint->authority,
                            "too_many_pending"});
  host.waiting.push_back(std::move(call));
  dispatch(host);
}

void ClientPool::dispatch(Host& host) {
  while (!host.waiting.empty()) {
    if (host.waiting.front()->ended) {
      host.waiting.pop_front();
      continue;
    }
    // The one used last first: the others may grow old and close.
    const auto free =
        std::find_if(host.sessions.rbegin(), host.sessions.rend(),
                     [](const ClientSession* session) { return session->room() > 0; });
    if (free == host.sessions.rend()) break;
    const std::shared_ptr<ClientCall> call = std::move(host.waiting.front());
    host.waiting.pop_front();
    (*free)->begin(call);
  }
  // One new connection for each that waits; where many share one, one at a time.
  const std::size_t wanted =
      host.speaks_http2 ? std::min<std::size_t>(1, host.waiting.size()) : host.waiting.size();
  while (host.connecting < wanted &&
         host.sessions.size() + host.connecting < host.limits.connections)
    open_connection(host);
}

void ClientPool::open_connection(Host& host) {
  ++host.connecting;
  // Not from within: a local socket connects at once, and may fail at once.
  loop_.post([this, &host] {
    connect(loop_, *host.endpoint, limits_.connect_timeout,
            [this, &host](Result<OwnedFd> fd) { connected(host, std::move(fd)); });
  });
}

void ClientPool::connected(Host& host, Result<OwnedFd> fd) {
  if (!fd) return not_opened(host, fd.error());
  LinkOptions options;
  options.input_bytes = std::max<std::size_t>(64 * 1024, limits_.header_bytes + 1024);
  const bool tcp = host.endpoint->unix_socket.empty();
  const auto link = std::make_shared<Link>(loop_, fd->release(), tcp, options);
  const Instant deadline = loop_.now() + limits_.connect_timeout;
  link->start(std::make_unique<ClientGate>(*this, host, *link, deadline),
              host.endpoint->tls ? host.tls->connect(host.endpoint->host, true) : nullptr);
}

std::unique_ptr<LinkUser> ClientPool::opened(Host& host, Link& link) {
  --host.connecting;
  host.speaks_http2 = host.prior_http2 || link.alpn() == "h2";
  auto session =
      host.speaks_http2 ? make_h2_client_session(link, *this) : make_h1_client_session(link, *this);
  host.sessions.push_back(session.get());
  host_of_session_[session.get()] = &host;
  // Once the link has handed over.
  loop_.post([this, &host] { dispatch(host); });
  return session;
}

void ClientPool::not_opened(Host& host, const Error& error) {
  --host.connecting;
  if (!host.sessions.empty() || host.connecting > 0) return;
  const auto waiting = std::exchange(host.waiting, {});
  for (const auto& call : waiting) call->fail(error);
}

void ClientPool::has_room(ClientSession& session) {
  const auto found = host_of_session_.find(&session);
  if (found != host_of_session_.end()) dispatch(*found->second);
}

void ClientPool::ended(ClientSession& session) {
  const auto found = host_of_session_.find(&session);
  if (found == host_of_session_.end()) return;
  Host& host = *found->second;
  host_of_session_.erase(found);
  std::erase(host.sessions, &session);
  if (!shut_) dispatch(host);
}

void ClientPool::lost(const std::shared_ptr<ClientCall>& call, Error error) {
  if (call->ended) return;
  // A kept connection may be closed by the server just as it is used. Nothing of an answer came, so
  // a request that may be sent twice, or was not looked at, goes once more.
  const bool safe = !call->out_taken && (!call->sent || (call->idempotent() && !call->answered));
  if (shut_ || !safe || std::exchange(call->retried, true)) return call->fail(std::move(error));
  call->sent = false;
  enqueue(call);
}

void ClientPool::finish(ClientCall& call, Error error) {
  ClientSession* const session = std::exchange(call.session, nullptr);
  call.fail(std::move(error));
  if (session) session->cancel(call);
}

void ClientPool::tick() {
  const auto calls = calls_;
  for (const auto& call : calls) {
    if (call->ended) continue;
    if (call->request.cancel.cancelled()) {
      finish(*call, {Code::kCancelled, "the request was cancelled"});
    } else if (loop_.now() > call->deadline) {
      finish(*call,
             {Code::kDeadlineExceeded, "no whole answer came within " +
                                           std::to_string(call->request.timeout.count()) + " ms"});
    }
  }
  std::erase_if(calls_, [](const auto& call) {
    if (call->ended) call->sink = {};
    return call->ended;
  });
  for (auto& [key, host] : hosts_)
    std::erase_if(host->waiting, [](const auto& call) { return call->ended; });
  forget_hosts();
  if (!calls_.empty()) loop_.need_tick();
}

// Names come and go with the processes behind them. What was posted for a host has long run when
// its last connection has been idle to its end.
void ClientPool::forget_hosts() {
  std::erase_if(hosts_, [this](const auto& entry) {
    const Host& host = *entry.second;
    const bool idle = host.sessions.empty() && host.connecting == 0 && host.waiting.empty();
    return idle && loop_.now() - host.used > limits_.idle_timeout;
  });
}

void ClientPool::shut() {
  shut_ = true;
  for (const auto& call : std::exchange(calls_, {}))
    finish(*call, {Code::kCancelled, "the client was closed"});
}

}  // namespace serin::net
