// SPDX-License-Identifier: Apache-2.0
// Our HTTP server answering a while after a request's body is read whole. Usage: late_server PORT
//
// h2spec opens a stream, breaks a rule on it and looks at what comes back. A server that has
// answered by then has closed the stream itself, and forgives what comes late.
#include <chrono>
#include <condition_variable>
#include <csignal>
#include <cstdlib>
#include <deque>
#include <iostream>
#include <mutex>
#include <string>
#include <thread>

#include "net/http/server.h"
#include "net/http/status.h"

namespace {

constexpr std::chrono::milliseconds kLate{300};

void answer(serin::net::Exchange& exchange, int status, std::string body) {
  serin::net::Response response;
  response.status = status;
  response.body = std::move(body);
  exchange.respond(std::move(response));
}

// Answers in the order of asking, each kLate after it was asked for.
class LateAnswers {
 public:
  void add(std::shared_ptr<serin::net::Exchange> exchange) {
    const std::lock_guard lock(mutex_);
    due_.push_back({std::chrono::steady_clock::now() + kLate, std::move(exchange)});
    added_.notify_one();
  }

 private:
  struct Due {
    std::chrono::steady_clock::time_point at;
    std::shared_ptr<serin::net::Exchange> exchange;
  };

  void run(const std::stop_token& stop) {
    std::unique_lock lock(mutex_);
    while (added_.wait(lock, stop, [&] { return !due_.empty(); })) {
      Due next = std::move(due_.front());
      due_.pop_front();
      lock.unlock();
      std::this_thread::sleep_until(next.at);
      auto& exchange = *next.exchange;
      exchange.post([exchange = std::move(next.exchange)] {
        if (!exchange->gone()) answer(*exchange, 200, "an answer that comes late");
      });
      lock.lock();
    }
  }

  std::mutex mutex_;
  std::condition_variable_any added_;
  std::deque<Due> due_;
  std::jthread thread_{[this](const std::stop_token& stop) { run(stop); }};
};

}  // namespace

int main(int argc, char** argv) {
  if (argc != 2) {
    std::cerr << "usage: late_server PORT\n";
    return 2;
  }
  sigset_t ends;  // blocked before any thread starts, so that sigwait() gets them
  sigemptyset(&ends);
  sigaddset(&ends, SIGTERM);
  sigprocmask(SIG_BLOCK, &ends, nullptr);
  serin::net::ServerOptions options;
  options.port = static_cast<std::uint16_t>(std::atoi(argv[1]));
  LateAnswers answers;
  const auto server = serin::net::Server::create(
      options, [&answers](const std::shared_ptr<serin::net::Exchange>& exchange) {
        exchange->read_body([exchange, &answers](const serin::Result<std::string>& body) {
          if (body) return answers.add(exchange);
          answer(*exchange, serin::net::http_status(body.error()), body.error().reason);
        });
      });
  if (!server) {
    std::cerr << server.error().message << "\n";
    return 1;
  }
  int which = 0;
  sigwait(&ends, &which);
}
