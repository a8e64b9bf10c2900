// SPDX-License-Identifier: Apache-2.0
#include "net/http/server_gate.h"

#include "net/http/h1_session.h"
#include "net/http/h2_session.h"

namespace serin::net {

namespace {

constexpr std::string_view kPreface = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

class ServerGate final : public LinkUser {
 public:
  ServerGate(Link& link, ServerContext& context) : link_(link), context_(context) {}

  void on_open() override {
    if (link_.alpn() == "h2") link_.hand_to(make_h2_session(link_, context_));
  }

  void on_bytes() override {
    const std::string_view input = link_.input().substr(0, kPreface.size());
    if (!kPreface.starts_with(input))
      return link_.hand_to(std::make_unique<H1Session>(link_, context_));
    if (input.size() == kPreface.size()) link_.hand_to(make_h2_session(link_, context_));
  }

  void on_tick() override {
    const ServerLimits& limits = context_.limits;
    const auto waited = link_.loop().now() - link_.opened();
    const bool silent = link_.input().empty();
    const bool handshake = link_.tls() && link_.alpn().empty() && silent;
    const bool late = waited > (silent && !handshake ? limits.idle_timeout : limits.header_timeout);
    if (late || (context_.is_draining() && silent && waited > limits.drain_grace)) link_.close();
  }

  void on_closed(LinkEnd) override { context_.tell_drain(); }

 private:
  Link& link_;
  ServerContext& context_;
};

}  // namespace

std::unique_ptr<LinkUser> make_server_gate(Link& link, ServerContext& context) {
  return std::make_unique<ServerGate>(link, context);
}

}  // namespace serin::net
