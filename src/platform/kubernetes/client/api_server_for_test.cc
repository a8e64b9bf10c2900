// SPDX-License-Identifier: Apache-2.0
#include "platform/kubernetes/client/api_server_for_test.h"

#include <algorithm>
#include <charconv>
#include <utility>

#include "base/check.h"
#include "net/http/uri.h"
#include "platform/kubernetes/client/object.h"

namespace serin::platform::kubernetes {
namespace {

std::int64_t number(std::string_view text) {
  std::int64_t value = 0;
  std::from_chars(text.data(), text.data() + text.size(), value);
  return value;
}

std::string kind_of(const std::string& plural) {
  static const std::map<std::string, std::string> kKinds{{"pods", "Pod"},
                                                         {"services", "Service"},
                                                         {"leases", "Lease"},
                                                         {"events", "Event"},
                                                         {"deployments", "Deployment"}};
  const auto found = kKinds.find(plural);
  return found == kKinds.end() ? "Thing" : found->second;
}

void merge_into(json::value& into, const json::value& patch) {
  if (!patch.is_object()) {
    into = patch;
    return;
  }
  if (!into.is_object()) into = json::object();
  for (const auto& field : patch.get_object()) {
    if (field.value().is_null()) {
      into.as_object().erase(field.key());
    } else {
      merge_into(into.as_object()[field.key()], field.value());
    }
  }
}

// Whether an object has all labels of "a=1,b=2". Sets, "a in (1,2)", are not looked at.
bool is_selected(const json::object& object, std::string_view selector) {
  if (selector.find(" in ") != std::string_view::npos) return true;
  while (!selector.empty()) {
    const std::string_view one = selector.substr(0, selector.find(','));
    selector.remove_prefix(std::min(selector.size(), one.size() + 1));
    const std::size_t equals = one.find('=');
    const json::value whole(object);
    const json::value* labels = value_at(whole, "/metadata/labels");
    const json::value* label =
        labels == nullptr ? nullptr : labels->as_object().if_contains(one.substr(0, equals));
    if (label == nullptr || label->as_string() != one.substr(equals + 1)) return false;
  }
  return true;
}

// The last lines of a log of five.
net::Response log_lines(std::int64_t lines) {
  net::Response response;
  for (std::int64_t i = std::max<std::int64_t>(0, 5 - lines); i < 5; ++i)
    response.body += "line " + std::to_string(i) + "\n";
  return response;
}

}  // namespace

// A path taken apart.
struct ApiServerForTest::Place {
  std::string api, ns, plural, name, sub;

  explicit Place(const std::string& path) {
    std::vector<std::string> parts;
    std::size_t at = 1;
    while (at <= path.size()) {
      const std::size_t end = std::min(path.find('/', at), path.size());
      parts.push_back(path.substr(at, end - at));
      at = end + 1;
    }
    std::size_t next = parts[0] == "api" ? 2 : 3;
    for (std::size_t i = 0; i < next && i < parts.size(); ++i) api += "/" + parts[i];
    if (parts.size() > next + 2 && parts[next] == "namespaces") {
      ns = parts[next + 1];
      next += 2;
    }
    if (parts.size() > next) plural = parts[next];
    if (parts.size() > next + 1) name = parts[next + 1];
    if (parts.size() > next + 2) sub = parts[next + 2];
  }
  std::string in_namespace() const { return api + "/namespaces/" + ns + "/" + plural; }
  bool in(const std::string& collection) const {
    return collection == api + "/" + plural || collection == in_namespace();
  }
  std::string object() const {
    return (ns.empty() ? api + "/" + plural : in_namespace()) + "/" + name;
  }
};

std::string Asked::query(std::string_view name) const {
  net::RequestHead head;
  const std::size_t mark = target.find('?');
  if (mark != std::string::npos) head.query = target.substr(mark + 1);
  return head.query_parameter(name).value_or("");
}

net::Response json_response(std::uint16_t status, const json::value& body) {
  net::Response response;
  response.status = status;
  response.headers.add("content-type", "application/json");
  response.body = json::serialize(body);
  return response;
}

net::Response refusal(std::uint16_t status, std::string_view reason, std::string_view message,
                      json::array causes) {
  return json_response(status, {{"kind", "Status"},
                                {"apiVersion", "v1"},
                                {"status", "Failure"},
                                {"message", message},
                                {"reason", reason},
                                {"details", {{"causes", std::move(causes)}}},
                                {"code", status}});
}

ApiServerForTest::ApiServerForTest(std::optional<net::TlsFiles> tls) : tls_(std::move(tls)) {
  start();
}
ApiServerForTest::~ApiServerForTest() { stop(); }

void ApiServerForTest::start() {
  net::ServerOptions options;
  options.port = port_;
  options.tls = tls_;
  auto server = net::Server::create(
      std::move(options), [this](const std::shared_ptr<net::Exchange>& exchange) {
        exchange->read_body([this, exchange](const Result<std::string>& body) {
          if (body) handle(exchange, *body);
        });
      });
  SERIN_CHECK(server.has_value());
  server_ = *std::move(server);
  port_ = server_->port();
}

void ApiServerForTest::stop() {
  server_.reset();
  const std::lock_guard lock(mutex_);
  watchers_.clear();
  unanswered_.clear();
  hushed_ = false;
}

void ApiServerForTest::hush() {
  const std::lock_guard lock(mutex_);
  hushed_ = true;
}

std::string ApiServerForTest::url() const {
  return (tls_ ? "https://127.0.0.1:" : "http://127.0.0.1:") + std::to_string(port_);
}

Access ApiServerForTest::access() const {
  Access access;
  access.name = "the test's server";
  access.server = url();
  return access;
}

void ApiServerForTest::script(Script script) {
  const std::lock_guard lock(mutex_);
  script_ = std::move(script);
}

void ApiServerForTest::answer_next(std::string method, std::vector<net::Response> answers) {
  const std::lock_guard lock(mutex_);
  next_[std::move(method)] = std::move(answers);
}

json::object ApiServerForTest::put(const std::string& path, json::object object) {
  const std::lock_guard lock(mutex_);
  return store(path, std::move(object));
}

void ApiServerForTest::erase(const std::string& path) {
  const std::lock_guard lock(mutex_);
  drop(path);
}

std::optional<json::object> ApiServerForTest::stored(const std::string& path) const {
  const std::lock_guard lock(mutex_);
  const auto found = objects_.find(path);
  if (found == objects_.end()) return std::nullopt;
  return found->second;
}

void ApiServerForTest::forget_history() {
  const std::lock_guard lock(mutex_);
  oldest_ = ++version_;
  history_.clear();
}

void ApiServerForTest::bookmark() {
  const std::lock_guard lock(mutex_);
  const json::value event{
      {"type", "BOOKMARK"},
      {"object", {{"metadata", {{"resourceVersion", std::to_string(version_)}}}}}};
  for (const Watcher& watcher : watchers_) send(watcher, json::serialize(event) + "\n");
}

std::size_t ApiServerForTest::watches() const {
  const std::lock_guard lock(mutex_);
  return watchers_.size();
}

void ApiServerForTest::send(const Watcher& watcher, const std::string& text) {
  watcher.exchange->post([exchange = watcher.exchange, text] {
    if (!exchange->gone()) exchange->write(text);
  });
}

void ApiServerForTest::send_to_watches(const std::string& raw) {
  const std::lock_guard lock(mutex_);
  for (const Watcher& watcher : watchers_) send(watcher, raw);
}

void ApiServerForTest::end_watches(bool in_order) {
  const std::lock_guard lock(mutex_);
  for (const Watcher& watcher : std::exchange(watchers_, {}))
    watcher.exchange->post([exchange = watcher.exchange, in_order] {
      if (exchange->gone()) return;
      in_order ? exchange->finish() : exchange->abort();
    });
}

std::vector<Asked> ApiServerForTest::asked() const {
  const std::lock_guard lock(mutex_);
  return asked_;
}

std::size_t ApiServerForTest::count(std::string_view method, std::string_view part) const {
  const std::lock_guard lock(mutex_);
  return static_cast<std::size_t>(std::ranges::count_if(asked_, [&](const Asked& one) {
    return one.method == method && one.target.find(part) != std::string::npos;
  }));
}

void ApiServerForTest::handle(const std::shared_ptr<net::Exchange>& exchange,
                              const std::string& body) {
  const net::RequestHead& head = exchange->head();
  Asked asked{head.method, head.target, body, std::string(head.headers.get("authorization")),
              std::string(head.headers.get("content-type"))};
  Script script;
  std::optional<net::Response> instead;
  {
    const std::lock_guard lock(mutex_);
    asked_.push_back(asked);
    if (hushed_) {
      unanswered_.push_back(exchange);
      return;
    }
    script = script_;
    auto& next = next_[asked.method];
    if (!next.empty()) {
      instead = std::move(next.front());
      next.erase(next.begin());
    }
  }
  if (!instead && script) instead = script(asked);
  if (instead) return exchange->respond(*std::move(instead));
  const std::lock_guard lock(mutex_);
  if (asked.query("watch") == "true") return watch(exchange, asked);
  exchange->respond(answer(asked));
}

net::Response ApiServerForTest::answer(const Asked& asked) {
  const std::string path = asked.target.substr(0, asked.target.find('?'));
  const Place place(path);
  if (asked.method == "POST" && place.sub.empty()) return create(asked, path);
  if (asked.method == "GET" && place.name.empty()) return list(asked, path);
  const std::string object = place.object();
  const auto found = objects_.find(object);
  if (asked.method == "PATCH" && asked.media == "application/apply-patch+yaml")
    return change(asked, object);
  if (found == objects_.end()) return refusal(404, "NotFound", object + " not found");
  if (asked.method == "GET" && place.sub == "log")
    return log_lines(number(asked.query("tailLines")));
  if (asked.method == "GET") return json_response(200, found->second);
  if (asked.method == "DELETE") return remove(asked, object);
  if (asked.method == "POST") return json_response(201, *parse_json(asked.body));
  return change(asked, object);
}

net::Response ApiServerForTest::list(const Asked& asked, const std::string& collection) {
  const std::string token = asked.query("continue");
  const std::size_t from = static_cast<std::size_t>(number(token));
  const std::size_t colon = token.find(':');
  if (colon != std::string::npos && number(token.substr(colon + 1)) < oldest_)
    return refusal(410, "Expired", "the continue token is too old");
  const auto limit = static_cast<std::size_t>(number(asked.query("limit")));
  json::array items;
  std::size_t at = 0;
  json::object metadata{{"resourceVersion", std::to_string(version_)}};
  for (const auto& [path, object] : objects_) {
    if (!Place(path).in(collection) || !is_selected(object, asked.query("labelSelector")) ||
        at++ < from)
      continue;
    if (limit > 0 && items.size() >= limit) {
      metadata["continue"] = std::to_string(at - 1) + ":" + std::to_string(version_);
      break;
    }
    json::object item = object;
    item.erase("kind");
    item.erase("apiVersion");
    items.push_back(std::move(item));
  }
  const Place place(collection + "/x");
  return json_response(200, {{"kind", kind_of(place.plural) + "List"},
                             {"apiVersion", "v1"},
                             {"metadata", std::move(metadata)},
                             {"items", std::move(items)}});
}

net::Response ApiServerForTest::create(const Asked& asked, const std::string& collection) {
  json::object object = parse_json(asked.body)->as_object();
  const std::string path = collection + "/" + key_of(object).name;
  if (objects_.contains(path)) return refusal(409, "AlreadyExists", path + " already exists");
  if (asked.query("dryRun") == "All") return json_response(201, object);
  return json_response(201, store(path, std::move(object)));
}

net::Response ApiServerForTest::change(const Asked& asked, const std::string& path) {
  const auto found = objects_.find(path);
  json::value now = found == objects_.end() ? json::value(json::object()) : found->second;
  const json::value body = *parse_json(asked.body);
  if (asked.method == "PUT") {
    if (version_of(body) != version_of(now))
      return refusal(409, "Conflict", "the object has been modified");
    now = body;
  } else if (asked.media == "application/json-patch+json") {
    now.as_object()["patched"] = body;
  } else {
    // Applied on a version that is not the last one any more.
    const std::string_view on = version_of(body);
    if (!on.empty() && on != version_of(now))
      return refusal(409, "Conflict", "the object has been modified");
    merge_into(now, body);
  }
  if (asked.query("dryRun") == "All") return json_response(200, now);
  return json_response(200, store(path, now.as_object()));
}

net::Response ApiServerForTest::remove(const Asked& asked, const std::string& path) {
  const json::value body = *parse_json(asked.body);
  const std::string_view uid = text_at(body, "/preconditions/uid");
  if (!uid.empty() && uid != uid_of(objects_[path]))
    return refusal(409, "Conflict", "the uid in the precondition is another");
  if (asked.query("dryRun") != "All") drop(path);
  return json_response(200, {{"kind", "Status"}, {"status", "Success"}});
}

void ApiServerForTest::watch(const std::shared_ptr<net::Exchange>& exchange, const Asked& asked) {
  const std::string collection = asked.target.substr(0, asked.target.find('?'));
  const std::int64_t from = number(asked.query("resourceVersion"));
  net::ResponseHead head;
  head.headers.add("content-type", "application/json");
  exchange->start(std::move(head));
  if (from < oldest_) {
    const auto gone = refusal(410, "Expired", "too old resource version");
    exchange->write(R"({"type":"ERROR","object":)" + gone.body + "}\n");
    return exchange->finish();
  }
  watchers_.push_back({exchange, collection});
  for (const Happened& one : history_) {
    if (one.version <= from || !Place(one.path).in(collection)) continue;
    const json::value event{{"type", one.type}, {"object", one.object}};
    exchange->write(json::serialize(event) + "\n");
  }
  exchange->on_gone([this, raw = exchange.get()] {
    const std::lock_guard lock(mutex_);
    std::erase_if(watchers_, [&](const Watcher& one) { return one.exchange.get() == raw; });
  });
}

json::object ApiServerForTest::store(const std::string& path, json::object object) {
  const Place place(path);
  const bool fresh = !objects_.contains(path);
  const std::string version = std::to_string(++version_);
  if (!object.contains("kind")) object["kind"] = kind_of(place.plural);
  if (!object.contains("apiVersion"))
    object["apiVersion"] = place.api.substr(place.api.find('/', 1) + 1);
  json::value& metadata = object["metadata"];
  if (!metadata.is_object()) metadata = json::object();
  metadata.as_object()["name"] = place.name;
  if (!place.ns.empty()) metadata.as_object()["namespace"] = place.ns;
  metadata.as_object()["resourceVersion"] = version;
  metadata.as_object()["uid"] =
      fresh ? "uid-" + std::to_string(++uids_) : std::string(uid_of(objects_[path]));
  if (const json::value* spec = object.if_contains("spec")) {
    const json::value before = fresh ? json::value() : json::value(objects_[path]);
    const json::value* old = value_at(before, "/spec");
    const json::value* generation = value_at(before, "/metadata/generation");
    const std::int64_t last = generation == nullptr ? 0 : generation->as_int64();
    const bool changed = old == nullptr || *old != *spec;
    object["metadata"].as_object()["generation"] = last + (changed ? 1 : 0);
  }
  objects_[path] = object;
  happen(fresh ? "ADDED" : "MODIFIED", path, object);
  return object;
}

void ApiServerForTest::drop(const std::string& path) {
  const auto found = objects_.find(path);
  if (found == objects_.end()) return;
  json::object last = std::move(found->second);
  objects_.erase(found);
  last["metadata"].as_object()["resourceVersion"] = std::to_string(++version_);
  happen("DELETED", path, last);
}

void ApiServerForTest::happen(const std::string& type, const std::string& path,
                              const json::object& object) {
  history_.push_back({version_, type, path, object});
  const json::value event{{"type", type}, {"object", object}};
  for (const Watcher& watcher : watchers_)
    if (Place(path).in(watcher.collection)) send(watcher, json::serialize(event) + "\n");
}

}  // namespace serin::platform::kubernetes
