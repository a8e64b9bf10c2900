// SPDX-License-Identifier: Apache-2.0
// Our HTTP server answering what echo_beast.cc answers. Usage: net_echo PORT
#include <csignal>
#include <cstdlib>
#include <iostream>

#include "base/stop_signals.h"
#include "net/http/server.h"
#include "net/http/status.h"

int main(int argc, char** argv) {
  if (argc != 2) {
    std::cerr << "usage: net_echo PORT\n";
    return 2;
  }
  serin::net::ServerOptions options;
  options.port = static_cast<std::uint16_t>(std::atoi(argv[1]));
  const auto server = serin::net::Server::create(
      options, [](const std::shared_ptr<serin::net::Exchange>& exchange) {
        exchange->read_body([exchange](serin::Result<std::string> body) {
          serin::net::Response response;
          response.status = body ? 200 : serin::net::http_status(body.error());
          if (body) response.body = std::move(*body);
          exchange->respond(std::move(response));
        });
      });
  if (!server) {
    std::cerr << server.error().message << "\n";
    return 1;
  }
  const sigset_t ends = serin::hold_stop_signals();
  int which = 0;
  sigwait(&ends, &which);
}
