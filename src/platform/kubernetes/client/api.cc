// SPDX-License-Identifier: Apache-2.0
#include "platform/kubernetes/client/api.h"

#include <algorithm>
#include <utility>

#include "net/http/uri.h"
#include "platform/kubernetes/client/object.h"
#include "platform/kubernetes/client/status.h"
#include "platform/kubernetes/client/transport.h"

namespace serin::platform::kubernetes {
namespace {

using std::chrono::milliseconds;

constexpr std::string_view kJson = "application/json";
// What a server is given to end a watch by itself before it is cut.
constexpr std::chrono::seconds kGrace{30};

std::string path_of(const Target& target) {
  const auto segment = [](const std::string& text) { return "/" + net::percent_encode(text); };
  const Resource& resource = target.resource;
  std::string path = resource.group.empty() ? "/api" : "/apis" + segment(resource.group);
  path += segment(resource.version);
  if (!target.ns.empty()) path += "/namespaces" + segment(target.ns);
  path += segment(resource.plural);
  if (!target.name.empty()) path += segment(target.name);
  if (!target.subresource.empty()) path += segment(target.subresource);
  return path;
}

using Parameters = std::vector<std::pair<std::string_view, std::string>>;

// Those that have a value.
std::string query_of(const Parameters& parameters) {
  std::string query;
  for (const auto& [name, value] : parameters)
    if (!value.empty())
      query += (query.empty() ? "?" : "&") + std::string(name) + "=" + net::percent_encode(value);
  return query;
}

Error not_understood(const Target& target, const std::string& what) {
  return {Code::kInternal,
          to_string(target) + ": the API server's answer is not understood: " + what};
}

// Items of a list do not say what they are, as objects by themselves do.
void name_kind(json::object& item, const json::value& list) {
  std::string_view kind = text_at(list, "/kind");
  if (kind.ends_with("List")) kind.remove_suffix(4);
  if (!item.contains("kind")) item["kind"] = kind;
  if (!item.contains("apiVersion")) item["apiVersion"] = text_at(list, "/apiVersion");
}

}  // namespace

std::string to_string(const Target& target) {
  std::string text = target.resource.plural;
  if (!target.resource.group.empty()) text += "." + target.resource.group;
  if (!target.subresource.empty()) text += "/" + target.subresource;
  if (!target.name.empty()) return text + " " + to_string(ObjectKey{target.ns, target.name});
  return target.ns.empty() ? text : text + " in " + target.ns;
}

// What goes to the server, as often as it takes.
struct Api::Ask {
  std::string method = "GET";
  std::string target;  // path and query
  std::string about;   // for messages
  std::string_view media = kJson;
  std::string body = {};
  bool repeatable = true;
};

Api::Api(std::unique_ptr<Transport> transport, ApiOptions options)
    : transport_(std::move(transport)), options_(std::move(options)) {}
Api::~Api() = default;

Result<std::unique_ptr<Api>> Api::create(Access access, const Clock& clock, ApiOptions options) {
  SERIN_TRY_ASSIGN(auto transport,
                   Transport::create(std::move(access), clock, options.answer_bytes));
  return std::unique_ptr<Api>(new Api(std::move(transport), std::move(options)));
}

const std::string& Api::ns() const { return transport_->access().ns; }

Result<net::Response> Api::send(const Ask& ask, const Call& call) {
  const Instant until = std::chrono::steady_clock::now() + call.timeout;
  const auto left = [&] {
    return std::chrono::ceil<milliseconds>(until - std::chrono::steady_clock::now());
  };
  net::ClientRequest request;
  request.method = ask.method;
  request.target = ask.target;
  request.headers = {{"accept", "application/json, */*"}, {"user-agent", options_.manager}};
  if (!ask.body.empty()) {
    request.headers.add("content-type", ask.media);
    request.shared_body = std::make_shared<const std::string>(ask.body);
  }
  request.cancel = call.cancel;
  for (int tried = 1;; ++tried) {
    request.timeout = std::max(left(), milliseconds(1));
    auto answer = transport_->fetch(request);
    const bool answered = answer.has_value();
    if (answered && answer->status < 300) return answer;
    Error error = answered ? error_of(*answer) : std::move(answer).error();
    const milliseconds wait = std::max(wait_after(tried, options_.backoff, random_share()),
                                       error.retry_after.value_or(milliseconds(0)));
    const bool again = tried < options_.attempts && wait < left() &&
                       may_repeat(error, answered, ask.repeatable) && pause(wait, call.cancel);
    if (!again) return fail(std::move(error).within(ask.about));
  }
}

Result<json::value> Api::send_json(const Ask& ask, const Call& call) {
  SERIN_TRY_ASSIGN(const net::Response response, send(ask, call));
  auto value = parse_json(response.body, kObjectLimits);
  if (value && value->is_object()) return value;
  return fail(Code::kInternal, ask.about + ": the API server's answer is not understood: " +
                                   (value ? "it is no object" : value.error().message));
}

Result<json::value> Api::get(const Target& target, const Call& call) {
  return send_json({.target = path_of(target), .about = to_string(target)}, call);
}

// One page after the other from the first one on; `page` 0: all in one.
Status Api::take_pages(const Target& target, const Selection& which, std::size_t page, List& into,
                       const Call& call) {
  std::string next;
  do {
    const Parameters parameters{{"labelSelector", which.labels},
                                {"fieldSelector", which.fields},
                                {"limit", page == 0 ? "" : std::to_string(page)},
                                {"continue", next}};
    SERIN_TRY_ASSIGN(json::value list, send_json({.target = path_of(target) + query_of(parameters),
                                                  .about = to_string(target)},
                                                 call));
    next = text_at(list, "/metadata/continue");
    into.version = version_of(list);
    if (into.version.empty()) return fail(not_understood(target, "a list without a version"));
    json::value* items = list.as_object().if_contains("items");
    if (items == nullptr || items->is_null()) continue;
    if (!items->is_array()) return fail(not_understood(target, "items are no list"));
    for (json::value& item : items->as_array()) {
      if (text_at(item, "/metadata/name").empty())
        return fail(not_understood(target, "an item has no name"));
      if (into.items.size() >= options_.list_items)
        return fail(Code::kResourceExhausted, to_string(target) + ": there are more than " +
                                                  std::to_string(options_.list_items) +
                                                  "; select fewer");
      name_kind(item.as_object(), list);
      if (which.trim) which.trim(item.as_object());
      into.items.push_back(std::move(item));
    }
  } while (!next.empty());
  return {};
}

Result<List> Api::list(const Target& target, const Selection& which, const Call& call) {
  List list;
  Status taken = take_pages(target, which, which.page, list, call);
  if (!taken && taken.error().code == Code::kOutOfRange && which.page > 0) {
    list = {};
    taken = take_pages(target, which, 0, list, call);
  }
  if (!taken) return fail(std::move(taken).error());
  return list;
}

Status Api::watch(const Target& target, const Selection& which, const Watching& how,
                  const std::function<Status(WatchEvent&&)>& each) {
  net::ClientRequest request;
  request.target =
      path_of(target) + query_of({{"watch", "true"},
                                  {"allowWatchBookmarks", "true"},
                                  {"resourceVersion", how.version},
                                  {"timeoutSeconds", std::to_string(how.lasts.count())},
                                  {"labelSelector", which.labels},
                                  {"fieldSelector", which.fields}});
  request.headers = {{"accept", kJson}, {"user-agent", options_.manager}};
  request.timeout = how.lasts + kGrace;
  request.cancel = how.cancel;
  Lines lines(options_.event_bytes);
  const auto take = [&](std::string_view line) -> Status {
    SERIN_TRY_ASSIGN(WatchEvent event, parse_watch_event(line));
    if (which.trim) which.trim(event.object.as_object());
    return each(std::move(event));
  };
  Status ended = transport_->stream(
      std::move(request), [&](std::string_view bytes) { return lines.feed(bytes, take); },
      how.begun);
  if (ended && lines.in_line())
    ended = fail(Code::kAborted, "the watch broke off in the middle of an event");
  if (!ended) return fail(std::move(ended).error().within("watching " + to_string(target)));
  return {};
}

// `more`: of the query.
Api::Ask Api::change_of(std::string method, const Target& target, const json::value& body,
                        const Call& call, std::string_view more) const {
  Ask ask;
  ask.method = std::move(method);
  ask.about = to_string(target);
  ask.target = path_of(target) + query_of({{"fieldManager", options_.manager},
                                           {"dryRun", call.dry_run ? "All" : ""}});
  ask.target += more;
  ask.body = json::serialize(body);
  return ask;
}

Result<json::value> Api::create(const Target& target, const json::value& object, const Call& call) {
  Ask ask = change_of("POST", target, object, call);
  ask.repeatable = false;
  return send_json(ask, call);
}

Result<json::value> Api::update(const Target& target, const json::value& object, const Call& call) {
  if (version_of(object).empty())
    return invalid(
        to_string(target) + ": metadata.resourceVersion is missing: which version is replaced?",
        "metadata.resourceVersion");
  return send_json(change_of("PUT", target, object, call), call);
}

Result<json::value> Api::apply(const Target& target, const json::value& object, bool force,
                               const Call& call) {
  Ask ask = change_of("PATCH", target, object, call, force ? "&force=true" : "&force=false");
  ask.media = "application/apply-patch+yaml";  // JSON is YAML
  return send_json(ask, call);
}

Result<json::value> Api::merge(const Target& target, const json::value& patch, const Call& call) {
  Ask ask = change_of("PATCH", target, patch, call);
  ask.media = "application/merge-patch+json";
  return send_json(ask, call);
}

Result<json::value> Api::patch(const Target& target, const json::array& steps, const Call& call) {
  Ask ask = change_of("PATCH", target, steps, call);
  ask.media = "application/json-patch+json";
  ask.repeatable = false;
  return send_json(ask, call);
}

Status Api::remove(const Target& target, const Removal& how, const Call& call) {
  json::object body{
      {"apiVersion", "v1"}, {"kind", "DeleteOptions"}, {"propagationPolicy", how.propagation}};
  json::object only;
  if (!how.uid.empty()) only["uid"] = how.uid;
  if (!how.version.empty()) only["resourceVersion"] = how.version;
  if (!only.empty()) body["preconditions"] = std::move(only);
  SERIN_TRY(send(change_of("DELETE", target, body, call), call));
  return {};
}

Result<std::string> Api::logs(const LogRequest& of, const Call& call) {
  const Target target{{"", "v1", "pods"}, of.ns, of.pod, "log"};
  SERIN_TRY_ASSIGN(
      net::Response response,
      send({.target = path_of(target) + query_of({{"container", of.container},
                                                  {"tailLines", std::to_string(of.lines)},
                                                  {"limitBytes", std::to_string(of.bytes)},
                                                  {"previous", of.previous ? "true" : ""}}),
            .about = to_string(target)},
           call));
  return std::move(response.body);
}

Result<json::array> Api::resources(const std::string& group, const std::string& version,
                                   const Call& call) {
  const Resource all{group, version, {}};
  std::string path = group.empty() ? "/api/" : "/apis/" + net::percent_encode(group) + "/";
  path += net::percent_encode(version);
  SERIN_TRY_ASSIGN(json::value list, send_json({.target = path, .about = all.api_version()}, call));
  json::value* found = list.as_object().if_contains("resources");
  if (found == nullptr || !found->is_array())
    return fail(Code::kInternal, all.api_version() + ": the API server's answer is not understood");
  return std::move(found->as_array());
}

}  // namespace serin::platform::kubernetes
