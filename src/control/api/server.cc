// SPDX-License-Identifier: Apache-2.0
#include "control/api/server.h"

#include <pwd.h>

#include <algorithm>
#include <charconv>
#include <mutex>
#include <optional>
#include <utility>

#include "base/check.h"
#include "base/log.h"
#include "base/log_room.h"
#include "base/nearest.h"
#include "control/api/keys.h"
#include "control/api/measure.h"
#include "control/api/operations.h"
#include "control/api/tasks.h"
#include "control/api/views.h"
#include "net/http/error_body.h"
#include "net/http/router.h"
#include "net/http/server.h"

namespace serin::control::api {
namespace {

constexpr std::size_t kLargestManifest = std::size_t{1} << 20;

// One request as the calls below see it.
struct Asked {
  const Operation* operation;
  net::RequestHead head;
  net::PathParameters path;
  std::string body;
  std::string key;  // the name of its key, from the network; empty: from the socket

  bool from_network() const { return !key.empty(); }

  std::string query(std::string_view name) const {
    return head.query_parameter(name).value_or(std::string());
  }
  // Who asks: the key, or who is at the other end of the socket, by name where the machine knows
  // one.
  std::string who() const {
    if (from_network()) return "key " + key;
    std::uint32_t user = 0;
    const std::string_view digits = std::string_view(head.peer).substr(head.peer.find(':') + 1);
    const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), user);
    if (error != std::errc()) return head.peer;
    passwd entry{};
    passwd* found = nullptr;
    char text[4096];
    ::getpwuid_r(user, &entry, text, sizeof text, &found);
    return found == nullptr ? "user " + std::string(digits) : std::string(entry.pw_name);
  }
};

// A number of the query, with the bounds that the operation's description has.
Result<std::int64_t> number_of(const Asked& asked, std::string_view name) {
  const auto& query = asked.operation->query;
  const auto parameter = std::ranges::find(query, name, &Parameter::name);
  SERIN_CHECK(parameter != query.end());
  const auto text = asked.head.query_parameter(name);
  if (!text) return parameter->otherwise;
  std::int64_t number = 0;
  const char* last = text->data() + text->size();
  const auto [end, error] = std::from_chars(text->data(), last, number);
  if (error != std::errc() || end != last || number < 0 || number > parameter->most)
    return invalid(
        std::string(name) + " must be a whole number from 0 to " + std::to_string(parameter->most),
        std::string(name));
  return number;
}

// Of one that is "true" or "false".
Result<bool> flag_of(const Asked& asked, std::string_view name) {
  const std::string text = asked.query(name);
  if (text.empty() || text == "false") return false;
  if (text == "true") return true;
  return invalid(std::string(name) + " must be true or false", std::string(name));
}

// A parameter that is not known is a mistake that must not pass: with ?dryrun=true a manifest would
// be applied.
Status check_query(const Operation& operation, std::string_view query) {
  std::vector<std::string_view> known;
  for (const Parameter& parameter : operation.query) known.push_back(parameter.name);
  while (!query.empty()) {
    const std::string_view pair = query.substr(0, query.find('&'));
    query.remove_prefix(std::min(query.size(), pair.size() + 1));
    const std::string_view name = pair.substr(0, pair.find('='));
    if (name.empty() || std::ranges::find(known, name) != known.end()) continue;
    std::string message =
        std::string(operation.path) + " has no parameter \"" + std::string(name) + "\"";
    if (const auto meant = nearest(name, known); !meant.empty())
      message += "; did you mean " + std::string(meant) + "?";
    return invalid(std::move(message), std::string(name));
  }
  return {};
}

net::Response answer_json(const json::value& value) {
  net::Response response;
  response.headers.add("content-type", "application/json");
  response.body = json::serialize(value);
  return response;
}

bool reads(const Asked& asked) {
  return asked.head.method == "GET" ||
         (asked.operation->takes_manifest && asked.query("dryRun") == "true");
}

// Refusals are logged, but not without bound.
class Audit {
 public:
  explicit Audit(const Clock& clock) : clock_(clock) {}

  static void changed(const Asked& asked, const net::Response& answer) {
    log::info("audit: asked", {{"who", asked.who()},
                               {"peer", asked.head.peer},
                               {"method", asked.head.method},
                               {"path", asked.head.path},
                               {"status", answer.status},
                               {"answer", brief(answer)}});
  }
  void refused(const net::RequestHead& head, const Error& error) {
    const auto left_out = room_.take(clock_.now());
    if (!left_out) return;
    log::warning("audit: refused", {{"code", error.reason},
                                    {"peer", head.peer},
                                    {"method", head.method},
                                    {"path", head.path},
                                    {"not_logged_before", *left_out}});
  }

 private:
  static constexpr int kRefusedInAMinute = 600;

  // Of what it was about and what came of it, or what was wrong.
  static json::value brief(const net::Response& answer) {
    const auto body = parse_json(answer.body);
    const auto* object = body ? body->if_object() : nullptr;
    json::object shown;
    if (object == nullptr) return shown;
    for (const char* field : {"name", "result", "generation", "candidate", "reason", "error"}) {
      if (const auto* found = object->if_contains(field)) shown[field] = *found;
    }
    return shown;
  }

  const Clock& clock_;
  LogRoom room_{kRefusedInAMinute, std::chrono::minutes(1)};
};

using Call = std::function<Result<net::Response>(const Asked&)>;

class ApiServer final : public Server {
 public:
  ApiServer(Controller& controller, ServerOptions options)
      : controller_(controller), options_(std::move(options)), tasks_(kThreads, kWaiting) {
    add_services();
    add_rollouts();
    add_rest();
  }
  ~ApiServer() override {
    for (const auto* server : {&network_, &socket_}) {
      if (*server) (*server)->drain(std::chrono::seconds(2));
    }
  }

  // Each has bounds of its own, so that strangers cannot keep out who is here. The socket last: who
  // finds it finds all of it.
  Status open() {
    if (options_.network) SERIN_TRY(open_network());
    net::ServerOptions socket;
    socket.unix_socket = options_.socket;
    socket.own_user_only = true;
    SERIN_TRY_ASSIGN(socket_, listen(std::move(socket)));
    return {};
  }

  std::uint16_t port() const override { return network_ ? network_->port() : 0; }

 private:
  Status open_network() {
    SERIN_TRY_ASSIGN(keys_, KeyFile::open(options_.network->keys, Clock::real()));
    net::ServerOptions network;
    network.address = options_.network->address;
    network.port = options_.network->port;
    network.tls = options_.network->tls;
    SERIN_TRY_ASSIGN(network_, listen(std::move(network)));
    const std::string& address = options_.network->address;
    const bool v6 = address.find(':') != std::string::npos;
    // Who comes over the network may have come already.
    const std::lock_guard lock(status_mutex_);
    options_.status["control"] =
        "https://" + (v6 ? "[" + address + "]" : address) + ":" + std::to_string(port());
    return {};
  }
  json::object status() const {
    const std::lock_guard lock(status_mutex_);
    return options_.status;
  }

  void add(std::string_view id, Call call);
  void add_services();
  void add_rollouts();
  void add_rest();
  Result<std::unique_ptr<net::Server>> listen(net::ServerOptions options);
  void handle(const std::shared_ptr<net::Exchange>& exchange);
  std::optional<std::string> admit(net::Exchange& exchange);
  void serve(const std::shared_ptr<net::Exchange>& exchange, Asked asked, const Call& call);

  Controller& controller_;
  ServerOptions options_;
  mutable std::mutex status_mutex_;  // guards options_.status
  net::Router router_;
  Tasks tasks_;
  std::optional<KeyFile> keys_;  // for the network's thread
  Audit audit_{Clock::real()};
  // These go first: nobody is called after.
  std::unique_ptr<net::Server> socket_, network_;
};

Result<std::unique_ptr<net::Server>> ApiServer::listen(net::ServerOptions options) {
  options.limits.body_bytes = kLargestManifest;
  options.limits.connections = 256;
  return net::Server::create(
      std::move(options),
      [this](const std::shared_ptr<net::Exchange>& exchange) { handle(exchange); });
}

// The name of the key of a request from the network; empty for one from the socket, where the
// kernel has looked. Nothing for who may not ask that, which is answered.
std::optional<std::string> ApiServer::admit(net::Exchange& exchange) {
  const net::RequestHead& head = exchange.head();
  if (head.peer.starts_with("unix:")) return std::string();
  auto key = keys_->admit(head.headers.get("authorization"),
                          head.method == "GET" ? Scope::kRead : Scope::kWrite);
  if (key) return std::move(*key);
  audit_.refused(head, key.error());
  net::Response response = net::error_response(key.error());
  if (response.status == 401) response.headers.add("www-authenticate", "Bearer");
  exchange.respond(std::move(response));
  return std::nullopt;
}

void ApiServer::add(std::string_view id, Call call) {
  const auto operation = std::ranges::find(operations(), id, &Operation::id);
  SERIN_CHECK(operation != operations().end());
  router_.add(operation->method, operation->path,
              [this, operation = &*operation, call = std::move(call)](
                  const std::shared_ptr<net::Exchange>& exchange, const net::PathParameters& path) {
                auto key = admit(*exchange);
                if (!key) return;
                if (const Status known = check_query(*operation, exchange->head().query); !known)
                  return exchange->respond(net::error_response(known.error()));
                exchange->read_body([this, operation, exchange, path, key = std::move(*key),
                                     &call](Result<std::string> body) {
                  if (!body) return exchange->respond(net::error_response(body.error()));
                  serve(exchange, {operation, exchange->head(), path, std::move(*body), key}, call);
                });
              });
}

void ApiServer::serve(const std::shared_ptr<net::Exchange>& exchange, Asked asked,
                      const Call& call) {
  const auto shared = std::make_shared<const Asked>(std::move(asked));
  tasks_.answer(
      exchange, [shared, &call] { return call(*shared); },
      [shared](const net::Response& answer) {
        if (!reads(*shared)) Audit::changed(*shared, answer);
      });
}

void ApiServer::handle(const std::shared_ptr<net::Exchange>& exchange) {
  const auto match = router_.match(exchange->head().method, exchange->head().path);
  if (match.handler != nullptr) return (*match.handler)(exchange, match.parameters);
  if (!admit(*exchange)) return;
  net::Response response = net::error_response(
      {match.allowed.empty() ? Code::kNotFound : Code::kUnimplemented,
       exchange->head().method + " " + exchange->head().path + " is not part of this API"});
  if (!match.allowed.empty()) {
    response.status = 405;
    for (const std::string& method : match.allowed) response.headers.add("allow", method);
  }
  exchange->respond(std::move(response));
}

void ApiServer::add_services() {
  add("apply", [this](const Asked& asked) -> Result<net::Response> {
    const std::string file = asked.query("file");
    SERIN_TRY_ASSIGN(const bool dry_run, flag_of(asked, "dryRun"));
    if (asked.from_network() && asked.head.query_parameter("folder"))
      return invalid("folder is for who is on the control plane's machine", "folder");
    SERIN_TRY_ASSIGN(const Applied applied,
                     controller_.apply({.text = asked.body,
                                        .file = file.empty() ? "manifest" : file,
                                        .folder = asked.query("folder"),
                                        .dry_run = dry_run,
                                        .from_network = asked.from_network(),
                                        .who = asked.who()}));
    return answer_json(to_json(applied));
  });
  add("listServices", [this](const Asked&) -> Result<net::Response> {
    json::array services;
    for (const ServiceView& view : controller_.list()) services.push_back(to_json(view));
    return answer_json(json::object{{"services", std::move(services)}});
  });
  add("getService", [this](const Asked& asked) -> Result<net::Response> {
    SERIN_TRY_ASSIGN(const ServiceView view, controller_.get(asked.path.at("name")));
    return answer_json(to_json(view));
  });
  add("deleteService", [this](const Asked& asked) -> Result<net::Response> {
    SERIN_TRY(controller_.remove(asked.path.at("name"), asked.who()));
    return answer_json(json::object{{"name", asked.path.at("name")}, {"result", "deleting"}});
  });
  add("getLogs", [this](const Asked& asked) -> Result<net::Response> {
    SERIN_TRY_ASSIGN(const auto lines, number_of(asked, "lines"));
    net::Response response;
    SERIN_TRY_ASSIGN(response.body, controller_.logs(asked.path.at("name"), asked.query("replica"),
                                                     static_cast<std::size_t>(lines)));
    response.headers.add("content-type", "text/plain; charset=utf-8");
    return response;
  });
}

void ApiServer::add_rollouts() {
  add("getRollout", [this](const Asked& asked) -> Result<net::Response> {
    SERIN_TRY_ASSIGN(const ServiceView view, controller_.get(asked.path.at("name")));
    if (!view.record.rollout)
      return fail(Code::kNotFound, view.record.name + " has had no rollout");
    return answer_json(rollout_json(view));
  });
  add("listRollouts", [this](const Asked& asked) -> Result<net::Response> {
    SERIN_TRY_ASSIGN(const auto most, number_of(asked, "most"));
    SERIN_TRY_ASSIGN(const auto history,
                     controller_.history(asked.path.at("name"), static_cast<std::size_t>(most)));
    json::array rollouts;
    for (const RolloutRecord& rollout : history) rollouts.push_back(to_json(rollout));
    return answer_json(json::object{{"rollouts", std::move(rollouts)}});
  });
  for (const std::string_view name : {"start", "pause", "resume", "promote", "abort", "undo"}) {
    add(std::string(name) + "Rollout", [this, name](const Asked& asked) -> Result<net::Response> {
      SERIN_TRY_ASSIGN(const Verb verb, verb_of(name));
      SERIN_TRY(controller_.ask(asked.path.at("name"), verb, asked.who()));
      SERIN_TRY_ASSIGN(const ServiceView view, controller_.get(asked.path.at("name")));
      return answer_json(rollout_json(view));
    });
  }
}

void ApiServer::add_rest() {
  add("listEvents", [this](const Asked& asked) -> Result<net::Response> {
    EventQuery query;
    query.service = asked.query("service");
    SERIN_TRY_ASSIGN(query.after, number_of(asked, "after"));
    SERIN_TRY_ASSIGN(const auto most, number_of(asked, "most"));
    query.most = static_cast<std::size_t>(most);
    SERIN_TRY_ASSIGN(const auto found, controller_.events(query));
    json::array events;
    for (const Event& event : found) events.push_back(to_json(event));
    return answer_json(json::object{{"events", std::move(events)}});
  });
  add("getMetrics", [this](const Asked& asked) -> Result<net::Response> {
    return scraped(controller_, asked.head);
  });
  add("getStatus", [this](const Asked&) -> Result<net::Response> { return answer_json(status()); });
  add("describeApi", [this](const Asked&) -> Result<net::Response> {
    return answer_json(openapi(status().at("version").as_string()));
  });
  add("stop", [this](const Asked&) -> Result<net::Response> {
    if (options_.stop) options_.stop();
    return answer_json(json::object{{"result", "stopping"}});
  });
}

}  // namespace

Result<std::unique_ptr<Server>> Server::create(Controller& controller, ServerOptions options) {
  auto made = std::make_unique<ApiServer>(controller, std::move(options));
  SERIN_TRY(made->open());
  return std::unique_ptr<Server>(std::move(made));
}

}  // namespace serin::control::api
