// SPDX-License-Identifier: Apache-2.0
#include "gateway/admin.h"

#include <algorithm>
#include <charconv>

#include "base/bearer.h"
#include "base/digest.h"
#include "base/files.h"
#include "base/json.h"
#include "base/quantity.h"
#include "gateway/own_answers.h"
#include "gateway/scoring/question.h"
#include "net/http/error_body.h"
#include "telemetry/server_metrics.h"

namespace serin::gateway {
namespace {

constexpr std::size_t kMostRecords = 10'000;
constexpr std::size_t kMostSamples = 64;
constexpr std::size_t kShortestToken = 32;  // letters, so that nobody guesses it
constexpr std::size_t kLongestToken = 4096;
constexpr double kLongestWait = 60;     // seconds
constexpr double kLongestAnswer = 600;  // of a question, seconds

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

// Zero where it is not said.
Result<Duration> duration_of(const net::RequestHead& head, std::string_view name, double longest) {
  const auto text = head.query_parameter(name);
  if (!text) return Duration::zero();
  SERIN_TRY_ASSIGN(const double seconds, parse_duration(*text));
  return std::chrono::duration_cast<Duration>(
      std::chrono::duration<double>(std::min(seconds, longest)));
}

Result<std::shared_ptr<ServiceState>> service_of(const Core& core, const net::RequestHead& head) {
  const std::string name = head.query_parameter("service").value_or("");
  if (auto found = core.states.find(name)) return found;
  return fail({Code::kNotFound, "there is no service \"" + name + "\"", {}, "service"});
}

Result<double> part_of(const net::RequestHead& head) {
  const std::string text = head.query_parameter("part").value_or("1");
  double part = -1;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), part);
  if (error != std::errc() || end != text.data() + text.size() || !(part >= 0 && part <= 1))
    return invalid("part must be a number from 0 to 1", "part");
  return part;
}

Result<std::string> scorer_of(const net::RequestHead& head) {
  auto name = head.query_parameter("scorer");
  if (!name || name->empty()) return invalid("scorer must name who scores", "scorer");
  return *std::move(name);
}

// Of one line. Unset: the scorer has none.
struct ReadScore {
  std::uint64_t number = 0;
  std::optional<double> score;
};
Result<ReadScore> read_score(std::string_view line) {
  SERIN_TRY_ASSIGN(const json::value value, parse_json(line));
  const json::object* fields = value.if_object();
  const json::value* number = fields == nullptr ? nullptr : fields->if_contains("number");
  const json::value* score = fields == nullptr ? nullptr : fields->if_contains("score");
  boost::system::error_code wrong;
  ReadScore read;
  if (number != nullptr) read.number = number->to_number<std::uint64_t>(wrong);
  const bool none = score != nullptr && score->is_null();
  if (score != nullptr && score->is_number()) read.score = score->to_number<double>();
  if (number == nullptr || wrong || !(none || (read.score && *read.score >= 0 && *read.score <= 1)))
    return invalid("a score is {\"number\": of a sample, \"score\": 0 to 1, or null}");
  return read;
}

// Of a file with a token, with or without an end of its line.
Result<std::string> read_token_hash(const std::filesystem::path& file) {
  SERIN_TRY_ASSIGN(std::string token, read_file(file, kLongestToken));
  while (token.ends_with('\n') || token.ends_with('\r')) token.pop_back();
  if (token.size() < kShortestToken)
    return invalid(file.string() + ": a token has at least " + std::to_string(kShortestToken) +
                   " letters");
  return sha256_hex(token);
}

}  // namespace

Result<std::unique_ptr<Admin>> Admin::create(const GatewayOptions& options, Gateway& gateway,
                                             const Core& core) {
  std::unique_ptr<Admin> admin(new Admin(gateway, core));
  if (!options.admin_socket.empty()) SERIN_TRY(admin->listen(options.admin_socket));
  if (options.admin_port) SERIN_TRY(admin->listen(*options.admin_port));
  admin->threads_->on_tick([raw = admin.get()](unsigned) { raw->tick(); });
  return admin;
}

Status Admin::listen(const std::string& socket) {
  net::ServerOptions options;
  options.unix_socket = socket;
  options.io = threads_;
  SERIN_TRY_ASSIGN(local_, net::Server::create(std::move(options),
                                               [this](std::shared_ptr<net::Exchange> exchange) {
                                                 handle(exchange);
                                               }));
  return {};
}

Status Admin::listen(const AdminPort& port) {
  SERIN_TRY_ASSIGN(token_hash_, read_token_hash(port.token));
  net::ServerOptions options;
  options.address = port.address;
  options.port = port.port;
  options.tls = port.tls;
  options.io = threads_;
  SERIN_TRY_ASSIGN(network_, net::Server::create(std::move(options),
                                                 [this](std::shared_ptr<net::Exchange> exchange) {
                                                   handle_stranger(exchange);
                                                 }));
  return {};
}

Admin::~Admin() {
  threads_->stop();
  local_.reset();
  network_.reset();
}

void Admin::handle_stranger(const std::shared_ptr<net::Exchange>& exchange) {
  const std::string_view key = bearer_key(exchange->head().headers.get("authorization"));
  if (same_key_hash(sha256_hex(key), token_hash_)) return handle(exchange);
  answer_failure(*exchange, {Code::kUnauthenticated, "show the token of the admin API"});
}

void Admin::handle(const std::shared_ptr<net::Exchange>& exchange) {
  const net::RequestHead& head = exchange->head();
  if (head.path == "/config" && head.method == "PUT") return put_config(exchange);
  if (head.path == "/scores" && head.method == "POST") return post_scores(exchange);
  if (head.path == "/ask" && head.method == "POST") return post_question(exchange);
  if (head.method == "GET") {
    if (head.path == "/samples") return get_samples(exchange);
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
                                 "; there are PUT and GET /config, GET /evidence, GET /samples, "
                                 "POST /scores, POST /ask, GET /health/ready and GET /metrics",
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
  const auto wait = duration_of(head, "wait", kLongestWait);
  if (!after) return answer_failure(*exchange, after.error());
  if (!most) return answer_failure(*exchange, most.error());
  if (!wait) return answer_failure(*exchange, wait.error());
  auto service = service_of(core_, head);
  if (!service) return answer_failure(*exchange, service.error());
  Waiter waiter{exchange, *std::move(service), *after, std::min<std::size_t>(*most, kMostRecords),
                core_.clock.now() + *wait};
  if (!answer(waiter, *wait == Duration::zero())) waiters_.push_back(std::move(waiter));
}

void Admin::get_samples(const std::shared_ptr<net::Exchange>& exchange) {
  const net::RequestHead& head = exchange->head();
  const auto service = service_of(core_, head);
  const auto scorer = scorer_of(head);
  const auto most = number_of(head, "most", kMostSamples);
  const auto part = part_of(head);
  if (!service) return answer_failure(*exchange, service.error());
  if (!scorer) return answer_failure(*exchange, scorer.error());
  if (!most) return answer_failure(*exchange, most.error());
  if (!part) return answer_failure(*exchange, part.error());
  exchange->respond(
      {200,
       {{"content-type", "application/jsonl"}},
       (*service)->samples.unscored(*scorer, *part, std::min<std::size_t>(*most, kMostSamples))});
}

void Admin::post_scores(const std::shared_ptr<net::Exchange>& exchange) {
  const auto service = service_of(core_, exchange->head());
  const auto scorer = scorer_of(exchange->head());
  if (!service) return answer_failure(*exchange, service.error());
  if (!scorer) return answer_failure(*exchange, scorer.error());
  exchange->read_body(
      [exchange, state = *service, name = *scorer](const Result<std::string>& body) {
        if (!body) return answer_failure(*exchange, body.error());
        std::size_t counted = 0;
        for (std::string_view rest = *body; !rest.empty();) {
          const std::string_view line = rest.substr(0, rest.find('\n'));
          rest.remove_prefix(std::min(rest.size(), line.size() + 1));
          const auto score = read_score(line);
          if (!score) return answer_failure(*exchange, score.error());
          auto evidence = state->samples.score(score->number, name, score->score);
          if (!evidence) continue;
          state->evidence.add(*std::move(evidence));
          ++counted;
        }
        exchange->respond({200,
                           {{"content-type", "application/json"}},
                           R"({"counted":)" + std::to_string(counted) + "}"});
      });
}

void Admin::post_question(const std::shared_ptr<net::Exchange>& exchange) {
  const auto within = duration_of(exchange->head(), "within", kLongestAnswer);
  if (!within) return answer_failure(*exchange, within.error());
  if (*within == Duration::zero())
    return answer_failure(*exchange, {Code::kInvalidArgument,
                                      "within must say how long there is for the answer, as 10s",
                                      {},
                                      "within"});
  exchange->read_body([this, exchange, within = *within](Result<std::string> body) {
    if (!body) return answer_failure(*exchange, body.error());
    const CancelToken cancel;
    exchange->on_gone([cancel] { cancel.cancel(); });
    gateway_.ask({.service = exchange->head().query_parameter("service").value_or(""),
                  .body = *std::move(body),
                  .within = within,
                  .cancel = cancel,
                  .answered = [exchange](net::Response response) {
                    exchange->post([exchange, response = std::move(response)]() mutable {
                      exchange->respond(std::move(response));
                    });
                  }});
  });
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
