// SPDX-License-Identifier: Apache-2.0
// The gateway's admin API, HTTP on a Unix socket for this user, and on a port over TLS for whoever
// shows the token (Authorization: Bearer TOKEN); others get 401 and are told nothing:
//
//   PUT  /config     replaces the configuration; answered once every lane uses it
//   GET  /config     the present one
//   GET  /evidence?service=S&after=N&most=M&wait=250ms
//                    requests that ended, after record N, a line of JSON each; Serin-Next: ask
//                    after this; Serin-Lost: so many were forgotten before. Held until there is
//                    one, or the wait is over
//   GET  /samples?service=S&scorer=N&part=0.1&most=M
//                    requests with their answers that the scorer N has not scored, a line each
//   POST /scores?service=S&scorer=N
//                    its scores, lines of {"number": of the sample, "score": 0.87}; null: none
//   POST /ask?service=S&within=10s
//                    what the service answers to a question of Serin's own (scoring/question.h)
//   GET  /health/ready, /metrics
//
// A thread of its own; owned by the Gateway.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "gateway/gateway.h"
#include "gateway/lane.h"
#include "net/io/threads.h"

namespace serin::gateway {

class Admin {
 public:
  // `gateway` and `core` outlive it.
  static Result<std::unique_ptr<Admin>> create(const GatewayOptions& options, Gateway& gateway,
                                               const Core& core);
  ~Admin();
  std::uint16_t port() const { return network_ ? network_->port() : 0; }

 private:
  // Who waits for evidence.
  struct Waiter {
    std::shared_ptr<net::Exchange> exchange;
    std::shared_ptr<ServiceState> service;
    std::uint64_t after = 0;
    std::size_t most = 0;
    Instant until;
  };

  Admin(Gateway& gateway, const Core& core)
      : gateway_(gateway), core_(core), threads_(net::IoThreads::start(1)) {}
  Status listen(const std::string& socket);
  Status listen(const AdminPort& port);
  void handle(const std::shared_ptr<net::Exchange>& exchange);
  void handle_stranger(const std::shared_ptr<net::Exchange>& exchange);
  void put_config(const std::shared_ptr<net::Exchange>& exchange);
  void get_evidence(const std::shared_ptr<net::Exchange>& exchange);
  void get_samples(const std::shared_ptr<net::Exchange>& exchange);
  void post_question(const std::shared_ptr<net::Exchange>& exchange);
  void post_scores(const std::shared_ptr<net::Exchange>& exchange);
  bool answer(const Waiter& waiter, bool at_once) const;
  void tick();

  Gateway& gateway_;
  const Core& core_;
  std::shared_ptr<net::IoThreads> threads_;
  std::vector<Waiter> waiters_;  // of the thread
  std::string token_hash_;       // of who may come over the network
  std::unique_ptr<net::Server> local_, network_;
};

}  // namespace serin::gateway
