// SPDX-License-Identifier: Apache-2.0
#include "gateway/admin.h"

#include <algorithm>
#include <charconv>

#include "base/quantity.h"
#include "gateway/own_answers.h"
#include "net/http/error_body.h"
#include "telemetry/server_metrics.h"

namespace serin::gateway {
namespace {

constexpr std::size_t kMostRecords = 10'000;
constexpr double kLongestWait = 60;  // seconds

void answer_failure(net::Exchange& exchange, const Error& error) {
  exchange.respond(net::error_response(error));
}

Result<std::uint64_t> number_of(const net::RequestHead& head, std::string_view name,
                                std::uint64_t fallback) {
  const auto text = head.query_parameter(name);
  if (!text) return fallback;
  std::uint64_t number = 0;
  const auto [end, error] = std::from_chars(text->data(), text->data() + text->size(), number);
  if (error != std::errc() || end != text->data() + text->size())
    return invalid(std::string(name) + " must be a whole number", std::string(name));
  return number;
}

Result<Duration> wait_of(const net::RequestHead& head) {
  const auto text = head.query_parameter("wait");
  if (!text) return Duration::zero();
  SERIN_TRY_ASSIGN(const double seconds, parse_duration(*text));
  return std::chrono::duration_cast<Duration>(
      std::chrono::duration<double>(std::min(seconds, kLongestWait)));
}

}  // namespace

Result<std::unique_ptr<Admin>> Admin::create(const std::string& socket, Gateway& gateway,
                                             const Core& core) {
  std::unique_ptr<Admin> admin(new Admin(gateway, core));
  net::ServerOptions options;
  options.unix_socket = socket;
  options.io = admin->threads_;
  SERIN_TRY_ASSIGN(
      admin->server_,
      net::Server::create(
          std::move(options),
          [raw = admin.get()](std::shared_ptr<net::Exchange> exchange) { raw->handle(exchange); }));
  admin->threads_->on_tick([raw = admin.get()](unsigned) { raw->tick(); });
  return admin;
}

Admin::~Admin() {
  threads_->stop();
  server_.reset();
}

void Admin::handle(const std::shared_ptr<net::Exchange>& exchange) {
  const net::RequestHead& head = exchange->head();
  if (head.path == "/config" && head.method == "PUT") return put_config(exchange);
  if (head.method == "GET") {
    if (head.path == "/config")
      return exchange->respond(
          {200, {{"content-type", "application/json"}}, write_config(gateway_.config())});
    if (head.path == "/evidence") return get_evidence(exchange);
    if (head.path == "/health/ready") {
      const bool ready =
          gateway_.config().revision > 0 && !core_.draining.load(std::memory_order_relaxed);
      return exchange->respond({static_cast<std::uint16_t>(ready ? 200 : 503),
                                {{"content-type", "application/json"}},
                                ready ? R"({"ready":true})" : R"({"ready":false})"});
    }
    if (head.path == "/metrics") return exchange->respond(telemetry::scraped(core_.registry, head));
  }
  answer_failure(*exchange, {Code::kNotFound,
                             "there is nothing at " + head.method + " " + head.path +
                                 "; there are PUT and GET /config, GET /evidence, "
                                 "GET /health/ready and GET /metrics",
                             "unknown_url"});
}

void Admin::put_config(const std::shared_ptr<net::Exchange>& exchange) {
  exchange->read_body([this, exchange](const Result<std::string>& body) {
    if (!body) return answer_failure(*exchange, body.error());
    auto config = read_config(*body, "the body");
    if (!config) return answer_failure(*exchange, config.error());
    const std::uint64_t revision = config->revision;
    // It waits for the lanes, which never wait for anybody.
    if (const Status applied = gateway_.apply(*std::move(config)); !applied)
      return answer_failure(*exchange, applied.error());
    exchange->respond({200,
                       {{"content-type", "application/json"}},
                       R"({"revision":)" + std::to_string(revision) + "}"});
  });
}

void Admin::get_evidence(const std::shared_ptr<net::Exchange>& exchange) {
  const net::RequestHead& head = exchange->head();
  const auto after = number_of(head, "after", 0);
  const auto most = number_of(head, "most", kMostRecords);
  const auto wait = wait_of(head);
  if (!after) return answer_failure(*exchange, after.error());
  if (!most) return answer_failure(*exchange, most.error());
  if (!wait) return answer_failure(*exchange, wait.error());
  const std::string name = head.query_parameter("service").value_or("");
  Waiter waiter{exchange, core_.states.find(name), *after,
                std::min<std::size_t>(*most, kMostRecords), core_.clock.now() + *wait};
  if (waiter.service == nullptr)
    return answer_failure(*exchange,
                          {Code::kNotFound, "there is no service \"" + name + "\"", {}, "service"});
  if (!answer(waiter, *wait == Duration::zero())) waiters_.push_back(std::move(waiter));
}

// False: there is nothing yet, and it was not to be answered at once.
bool Admin::answer(const Waiter& waiter, bool at_once) const {
  if (waiter.exchange->gone()) return true;
  EvidenceLog::Page page = waiter.service->evidence.after(waiter.after, waiter.most);
  if (page.count == 0 && !at_once) return false;
  net::Response response;
  response.headers.add("content-type", "application/jsonl");
  response.headers.add("serin-next", std::to_string(page.next));
  response.headers.add("serin-lost", std::to_string(page.lost));
  response.body = std::move(page.lines);
  waiter.exchange->respond(std::move(response));
  return true;
}

void Admin::tick() {
  const Instant now = core_.clock.now();
  std::erase_if(waiters_,
                [&](const Waiter& waiter) { return answer(waiter, now >= waiter.until); });
}

}  // namespace serin::gateway
