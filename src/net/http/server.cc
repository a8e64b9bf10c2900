// SPDX-License-Identifier: Apache-2.0
#include "net/http/server.h"

#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <future>
#include <utility>

#include "base/check.h"
#include "net/http/server_context.h"
#include "net/http/server_gate.h"
#include "net/io/link.h"
#include "net/io/listener.h"
#include "net/io/threads.h"
#include "net/tls.h"

namespace serin::net {

namespace {

using std::chrono::milliseconds;

// Deadlines are looked at a few times within the shortest of them, and not more often than needed.
milliseconds tick_for(const ServerLimits& limits) {
  const milliseconds shortest = std::min(
      {limits.header_timeout, limits.body_timeout, limits.idle_timeout, limits.write_timeout});
  return std::clamp(shortest / 8, milliseconds(5), milliseconds(100));
}

constexpr unsigned kMostThreads = 256;

class HttpServer final : public Server {
 public:
  HttpServer(ServerOptions options, Handler handler) : options_(std::move(options)) {
    context_.limits = options_.limits;
    context_.bodies = std::make_shared<BodyBudget>(options_.limits.bodies_bytes);
    context_.handler = std::move(handler);
  }
  ~HttpServer() override;

  Status open();

  std::uint16_t port() const override { return port_; }
  ServerCounters counters() const override;
  bool drain(milliseconds at_most) override;

 private:
  void accept(OwnedFd fd, bool tcp);
  void begin(Loop& loop, OwnedFd fd, bool tcp);
  bool over_limit(const OwnedFd& fd, bool plain);
  void stop_accepting();

  ServerOptions options_;
  ServerContext context_;
  std::shared_ptr<TlsContext> tls_;
  std::vector<std::shared_ptr<Loop>> loops_;
  std::unique_ptr<Listener> tcp_;
  std::unique_ptr<Listener> unix_;
  bool accepting_ = false;
  std::uint16_t port_ = 0;
  std::size_t next_loop_ = 0;  // the accepting loop's own
};

Status HttpServer::open() {
  const bool tcp_wanted = options_.port || options_.listen_fd;
  if (!tcp_wanted && options_.unix_socket.empty())
    return invalid("a server needs a port or a Unix socket", "port");
  if (options_.threads == 0 || options_.threads > kMostThreads)
    return invalid("threads must be 1 to 256", "threads");
  if (options_.limits.bodies_bytes < options_.limits.body_bytes)
    return invalid("bodies_bytes must hold one body of body_bytes", "bodies_bytes");
  if (options_.tls) {
    SERIN_TRY_ASSIGN(tls_, TlsContext::server(options_.tls->certificate, options_.tls->key));
  }
  OwnedFd tcp;
  OwnedFd local;
  if (options_.listen_fd) {
    SERIN_TRY_ASSIGN(tcp, inherited_listener(*options_.listen_fd));
  } else if (options_.port) {
    SERIN_TRY_ASSIGN(tcp, listen_tcp(options_.address, *options_.port));
  }
  if (tcp_wanted) port_ = port_of(tcp.get());
  if (!options_.unix_socket.empty()) {
    SERIN_TRY_ASSIGN(local, listen_unix(options_.unix_socket));
  }
  if (options_.io) {
    loops_ = options_.io->loops();
  } else {
    const milliseconds tick = tick_for(options_.limits);
    for (unsigned i = 0; i < options_.threads; ++i) loops_.push_back(Loop::start(tick, tick));
  }
  // One loop accepts and deals the connections out in turn: with SO_REUSEPORT the kernel's hash
  // would leave some threads idle where connections are few and long.
  Loop& first = *loops_.front();
  if (tcp.get() >= 0)
    tcp_ = std::make_unique<Listener>(first, std::move(tcp),
                                      [this](OwnedFd fd) { accept(std::move(fd), true); });
  if (local.get() >= 0)
    unix_ = std::make_unique<Listener>(first, std::move(local),
                                       [this](OwnedFd fd) { accept(std::move(fd), false); });
  accepting_ = true;
  first.post([this] {
    if (tcp_) tcp_->start();
    if (unix_) unix_->start();
  });
  return {};
}

bool HttpServer::over_limit(const OwnedFd& fd, bool plain) {
  if (context_.counters.open.load(std::memory_order_relaxed) < options_.limits.connections)
    return false;
  context_.count(context_.counters.refused);
  if (plain) {
    const std::string body =
        refusal_body(503, "too_many_connections", "the server has all the connections it allows");
    const std::string answer =
        "HTTP/1.1 503 Service Unavailable\r\ncontent-type: application/json\r\nretry-after: 1\r\n"
        "connection: close\r\ncontent-length: " +
        std::to_string(body.size()) + "\r\n\r\n" + body;
    // Into an empty socket buffer, so whole or not at all; it is a courtesy.
    [[maybe_unused]] const ssize_t sent =
        ::send(fd.get(), answer.data(), answer.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
    ::shutdown(fd.get(), SHUT_WR);
  }
  return true;
}

void HttpServer::accept(OwnedFd fd, bool tcp) {
  context_.count(context_.counters.accepted);
  if (over_limit(fd, !(tcp && tls_))) return;
  if (!tcp && options_.own_user_only) {
    const auto user = user_of_peer(fd.get());
    if (!user || (*user != ::geteuid() && *user != 0))
      return context_.count(context_.counters.refused);
  }
  const auto& loop = loops_[next_loop_++ % loops_.size()];
  if (loop->on_thread()) return begin(*loop, std::move(fd), tcp);
  const auto shared = std::make_shared<OwnedFd>(std::move(fd));
  loop->post([this, raw = loop.get(), shared, tcp] { begin(*raw, std::move(*shared), tcp); });
}

void HttpServer::begin(Loop& loop, OwnedFd fd, bool tcp) {
  LinkOptions options;
  options.input_bytes = std::max<std::size_t>(64 * 1024, options_.limits.header_bytes + 1024);
  options.write_timeout = options_.limits.write_timeout;
  options.counters = &context_.counters;
  const auto link = std::make_shared<Link>(loop, fd.release(), tcp, options);
  link->start(make_server_gate(*link, context_), tcp && tls_ ? tls_->accept() : nullptr);
}

ServerCounters HttpServer::counters() const {
  const LinkCounters& from = context_.counters;
  ServerCounters counters;
  counters.connections_accepted = from.accepted.load(std::memory_order_relaxed);
  counters.connections_refused = from.refused.load(std::memory_order_relaxed);
  counters.connections_open = from.open.load(std::memory_order_relaxed);
  counters.requests = from.requests.load(std::memory_order_relaxed);
  counters.protocol_errors = from.protocol_errors.load(std::memory_order_relaxed);
  counters.bytes_in = from.bytes_in.load(std::memory_order_relaxed);
  counters.bytes_out = from.bytes_out.load(std::memory_order_relaxed);
  counters.bodies_refused = context_.bodies->refused();
  counters.body_bytes = context_.bodies->held();
  return counters;
}

void HttpServer::stop_accepting() {
  if (!std::exchange(accepting_, false)) return;
  // No new client finds the socket; those that wait in its queue are still served.
  if (unix_) ::unlink(options_.unix_socket.c_str());
  if (loops_.front()->stopped()) return;
  // The accepting loop is the first; on the others this waits for the connections that were dealt
  // to them.
  for (const auto& loop : loops_) {
    std::promise<void> stopped;
    loop->post([&] {
      if (loop == loops_.front()) {
        if (tcp_) tcp_->stop();
        if (unix_) unix_->stop();
      }
      stopped.set_value();
    });
    stopped.get_future().wait();
  }
}

bool HttpServer::drain(milliseconds at_most) {
  SERIN_CHECK(std::none_of(loops_.begin(), loops_.end(),
                           [](const auto& loop) { return loop->on_thread(); }));
  context_.draining.store(true);
  stop_accepting();
  const auto quiet = [this] {
    return context_.counters.open.load() == 0 && context_.exchanges.load() == 0;
  };
  std::unique_lock lock(context_.mutex);
  context_.changed.wait_for(lock, at_most, quiet);
  return context_.exchanges.load() == 0;
}

HttpServer::~HttpServer() {
  SERIN_CHECK(!options_.io || loops_.empty() || options_.io->stopped());
  if (!loops_.empty()) stop_accepting();
  for (const auto& loop : loops_) loop->stop();
  tcp_.reset();
  unix_.reset();
}

}  // namespace

Result<std::unique_ptr<Server>> Server::create(ServerOptions options, Handler handler) {
  auto server = std::make_unique<HttpServer>(std::move(options), std::move(handler));
  SERIN_TRY(server->open());
  return server;
}

}  // namespace serin::net
