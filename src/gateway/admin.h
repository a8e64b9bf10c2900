// SPDX-License-Identifier: Apache-2.0
// The gateway's admin API, HTTP on a Unix socket:
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
  static Result<std::unique_ptr<Admin>> create(const std::string& socket, Gateway& gateway,
                                               const Core& core);
  ~Admin();

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
  void handle(const std::shared_ptr<net::Exchange>& exchange);
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
  std::unique_ptr<net::Server> server_;
};

}  // namespace serin::gateway
