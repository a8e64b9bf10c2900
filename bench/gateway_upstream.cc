// SPDX-License-Identifier: Apache-2.0
// The worker behind the gateways that bench/gateway.py compares: a POST to /events is answered with
// 200 server-sent events, any other with 1 KiB of JSON. Usage: gateway_upstream PORT
#include <csignal>
#include <cstdlib>
#include <iostream>
#include <string>

#include "base/stop_signals.h"
#include "net/http/server.h"

namespace {

using serin::net::Exchange;

const std::string kJson = R"({"text":")" + std::string(1024 - 11, 'a') + "\"}";
constexpr int kEvents = 200;

void answer(const std::shared_ptr<Exchange>& exchange) {
  if (exchange->head().path != "/events")
    return exchange->respond({200, {{"content-type", "application/json"}}, kJson});
  exchange->start({200, {{"content-type", "text/event-stream"}}});
  for (int i = 0; i < kEvents; ++i)
    exchange->write(R"(data: {"choices":[{"index":0,"delta":{"content":" word"}}]})"
                    "\n\n");
  exchange->finish();
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 2) {
    std::cerr << "usage: gateway_upstream PORT\n";
    return 2;
  }
  serin::net::ServerOptions options;
  options.port = static_cast<std::uint16_t>(std::atoi(argv[1]));
  const auto server =
      serin::net::Server::create(options, [](const std::shared_ptr<Exchange>& exchange) {
        exchange->read_body([exchange](const serin::Result<std::string>&) { answer(exchange); });
      });
  if (!server) {
    std::cerr << server.error().message << "\n";
    return 1;
  }
  const sigset_t ends = serin::hold_stop_signals();
  int which = 0;
  sigwait(&ends, &which);
}
