// SPDX-License-Identifier: Apache-2.0
// Stands in for `serin` in tests of the local platform: `serve` and `gateway` with the same lines,
// without a model. How a worker behaves stands in its package, in behaviour.json:
//
//   readyAfterMs      until then it answers 503
//   endAfterMs        it ends with code 3; 0: never
//   ignoreTerm        SIGTERM does nothing
//   eatMiB            memory that it takes once it is ready
//   lines             lines that it writes once it is ready
//   reproducible      what it says of itself
//
// The gateway answers each connection with its pid and what it was told, and closes it.
#include <poll.h>
#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "base/files.h"
#include "base/hand_over.h"
#include "base/json.h"
#include "net/http/server.h"

namespace {

using std::chrono::milliseconds;

using Options = std::map<std::string, std::string>;

std::int64_t number_at(const serin::json::object& object, const char* name) {
  const auto* value = object.if_contains(name);
  return value == nullptr ? 0 : value->as_int64();
}

serin::json::object object_in(const std::string& text) {
  const auto value = serin::parse_json(text);
  return value && value->is_object() ? value->get_object() : serin::json::object();
}

// Ends the process in the way of a worker: at SIGTERM, with 0.
int wait_for_term(bool ignore) {
  sigset_t term;
  sigemptyset(&term);
  sigaddset(&term, SIGTERM);
  int got = 0;
  do sigwait(&term, &got);
  while (ignore);
  return 0;
}

void end_after(std::int64_t ms) {
  if (ms == 0) return;
  std::thread([ms] {
    std::this_thread::sleep_for(milliseconds(ms));
    std::fputs("something broke\n", stderr);
    std::_Exit(3);
  }).detach();
}

int serve(const std::string& root, const Options& options) {
  const auto behaviour = object_in(serin::read_file(root + "/behaviour.json").value_or("{}"));
  const auto* reproducible = behaviour.if_contains("reproducible");
  const std::string body = serin::json::serialize(serin::json::object{
      {"status", "ready"},
      {"reason", "ready"},
      {"serin_profile", "cpu/test/threads=" + options.at("--threads")},
      {"serin_reproducible", reproducible == nullptr ? "unknown" : reproducible->as_string()}});
  const auto ready_at =
      std::chrono::steady_clock::now() + milliseconds(number_at(behaviour, "readyAfterMs"));
  const std::int64_t eaten = number_at(behaviour, "eatMiB") << 20;
  auto memory = std::make_shared<std::string>();
  serin::net::ServerOptions listen;
  listen.unix_socket = options.at("--socket");
  std::fputs("listening\n", stderr);
  auto server = serin::net::Server::create(
      listen, [=, said = false](const std::shared_ptr<serin::net::Exchange>& exchange) mutable {
        if (std::chrono::steady_clock::now() < ready_at)
          return exchange->respond({503, {}, R"({"reason":"loading"})"});
        if (!said) {
          for (std::int64_t i = 0; i < number_at(behaviour, "lines"); ++i)
            std::fputs("a line of a log\n", stderr);
          const char* devices = std::getenv("CUDA_VISIBLE_DEVICES");
          std::fprintf(stderr, "ready with devices \"%s\"\n", devices == nullptr ? "" : devices);
          memory->assign(static_cast<std::size_t>(eaten), 'x');
          said = true;
        }
        exchange->respond({200, {}, body});
      });
  if (!server) {
    std::fprintf(stderr, "%s\n", server.error().message.c_str());
    return 1;
  }
  end_after(number_at(behaviour, "endAfterMs"));
  const auto* ignore = behaviour.if_contains("ignoreTerm");
  return wait_for_term(ignore != nullptr && ignore->as_bool());
}

class Gateway {
 public:
  explicit Gateway(std::string config) : config_(std::move(config)) {}

  void answer(const std::shared_ptr<serin::net::Exchange>& exchange) {
    const std::string& path = exchange->head().path;
    if (path == "/evidence") return exchange->respond(evidence(exchange->head()));
    if (path == "/samples") return exchange->respond(samples(exchange->head()));
    if (path == "/ask") return repeat(exchange);
    if (path != "/config" || exchange->head().method == "GET") {
      return exchange->respond({200, {}, path == "/config" ? config() : "{}"});
    }
    exchange->read_body([this, exchange](const serin::Result<std::string>& body) {
      if (!body) return exchange->respond({400, {}, "?"});
      {
        const std::lock_guard lock(mutex_);
        config_ = *body;
      }
      exchange->respond({200, {}, "{}"});
    });
  }
  // What it has accepted is answered, also when it is told to stop.
  void accept_from(int listener, const std::stop_token& stop) {
    constexpr int kLookMs = 5;
    while (!stop.stop_requested()) {
      pollfd watched{listener, POLLIN, 0};
      if (::poll(&watched, 1, kLookMs) <= 0) continue;
      const int peer = ::accept(listener, nullptr, nullptr);
      if (peer < 0) continue;  // another gateway had it
      const std::string text = std::to_string(::getpid()) + "\n" + config();
      static_cast<void>(::send(peer, text.data(), text.size(), MSG_NOSIGNAL));
      ::close(peer);
    }
  }

 private:
  // Of the service "story" alone; two records were forgotten before.
  static serin::net::Response evidence(const serin::net::RequestHead& head) {
    if (head.query_parameter("service") != "story") return {404, {}, "{}"};
    return {200,
            {{"serin-next", "9"}, {"serin-lost", "2"}},
            R"({"number":9,"version":"v1","assigned":1.5,"arm":"stable","weight":0,"key":3,)"
            R"("worker":1,"outcome":"failed","latency":null})"};
  }
  static serin::net::Response samples(const serin::net::RequestHead& head) {
    const bool known = head.query_parameter("service") == "story" &&
                       head.query_parameter("scorer") == "judge" && head.query_parameter("part");
    if (!known) return {404, {}, "{}"};
    return {200, {}, R"({"number":4,"sample":{"requestId":"r"}})"};
  }
  // What was asked, and by which target.
  static void repeat(const std::shared_ptr<serin::net::Exchange>& exchange) {
    exchange->read_body([exchange](const serin::Result<std::string>& body) {
      exchange->respond({201, {}, exchange->head().target + " " + body.value_or("?")});
    });
  }
  std::string config() {
    const std::lock_guard lock(mutex_);
    return config_;
  }
  std::mutex mutex_;
  std::string config_;
};

int be_gateway(const Options& options) {
  Gateway gateway(serin::read_file(options.at("--config")).value_or("none"));
  const int listener = std::stoi(options.at("--listen-fd"));
  serin::net::ServerOptions listen;
  listen.unix_socket = options.at("--admin");
  const auto offer = serin::DescriptorOffer::create(options.at("--admin") + ".fd", listener);
  const auto server = serin::net::Server::create(
      listen,
      [&](const std::shared_ptr<serin::net::Exchange>& exchange) { gateway.answer(exchange); });
  if (!offer || !server) {
    std::fprintf(stderr, "%s\n", (offer ? server.error() : offer.error()).message.c_str());
    return 1;
  }
  const std::jthread accepting(
      [&](const std::stop_token& stop) { gateway.accept_from(listener, stop); });
  return wait_for_term(false);
}

}  // namespace

int main(int count, char** words) {
  sigset_t term;
  sigemptyset(&term);
  sigaddset(&term, SIGTERM);
  pthread_sigmask(SIG_BLOCK, &term, nullptr);
  const std::vector<std::string> line(words, words + count);
  Options options;
  for (std::size_t i = 1; i < line.size(); ++i) {
    if (line[i].starts_with("--") && i + 1 < line.size() && !line[i + 1].starts_with("--"))
      options[line[i]] = line[i + 1];
  }
  if (line.size() > 2 && line[1] == "serve") return serve(line[2], options);
  if (line.size() > 1 && line[1] == "gateway") return be_gateway(options);
  return 2;
}
