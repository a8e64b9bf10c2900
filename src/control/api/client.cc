// SPDX-License-Identifier: Apache-2.0
#include "control/api/client.h"

#include <utility>

#include "net/http/status.h"
#include "net/http/uri.h"

namespace serin::control::api {
namespace {

constexpr std::chrono::hours kLongest{1};
const std::string kNoControlPlane = "no_control_plane";

std::string path_of(std::string_view service) {
  return "/v1/services/" + net::percent_encode(service);
}

// {"error": {"message", "param", "code"}} as an Error again.
Error error_of(const net::Response& response) {
  Error error{.code = net::code_of_http_status(response.status),
              .message = "the control plane answered " + std::to_string(response.status)};
  const auto body = parse_json(response.body);
  const auto* object = body ? body->if_object() : nullptr;
  const auto* told = object == nullptr ? nullptr : object->if_contains("error");
  if (told == nullptr || !told->is_object()) return error;
  const auto text = [&](std::string_view name) {
    const auto* value = told->as_object().if_contains(name);
    return value != nullptr && value->is_string() ? std::string(value->get_string())
                                                  : std::string();
  };
  if (const std::string message = text("message"); !message.empty()) error.message = message;
  error.param = text("param");
  error.reason = text("code");
  return error;
}

Result<json::array> array_in(Result<json::value> answer, std::string_view name) {
  if (!answer) return fail(std::move(answer).error());
  auto* object = answer->if_object();
  auto* array = object == nullptr ? nullptr : object->if_contains(name);
  if (array == nullptr || !array->is_array())
    return fail(Code::kInternal, "the control plane's answer has no " + std::string(name));
  return std::move(array->get_array());
}

}  // namespace

std::filesystem::path socket_of(const std::filesystem::path& state) {
  return state / "control.sock";
}

Result<Client> Client::create(const std::filesystem::path& state) {
  SERIN_TRY_ASSIGN(auto client, net::Client::create());
  return Client(std::move(client), "unix:" + socket_of(state).string() + ":", {});
}

Result<Client> Client::create(std::string server, std::string key) {
  while (server.ends_with('/')) server.pop_back();
  const auto endpoint = net::parse_url(server);
  if (!endpoint || !endpoint->tls || endpoint->target != "/")
    return invalid("\"" + server + "\" is no control plane; write https://HOST:PORT");
  if (key.empty()) return invalid("a control plane on the network wants a key");
  SERIN_TRY_ASSIGN(auto client, net::Client::create());
  return Client(std::move(client), std::move(server), std::move(key));
}

Result<std::string> Client::call(std::string_view method, const std::string& target,
                                 std::string body) const {
  net::ClientRequest request;
  request.url = base_ + target;
  request.method = method;
  if (!here()) request.headers.add("authorization", "Bearer " + key_);
  request.body = std::move(body);
  request.timeout = kLongest;
  auto response = client_->fetch(std::move(request));
  if (!response) {
    if (response.error().code != Code::kUnavailable) return fail(std::move(response).error());
    if (!here())
      return fail({Code::kUnavailable,
                   base_ + ": " + response.error().message +
                       "; does serin up run there, with --control-address?",
                   kNoControlPlane});
    return fail({Code::kUnavailable,
                 "no control plane runs (" + base_.substr(5, base_.size() - 6) +
                     "): start one with serin up",
                 kNoControlPlane});
  }
  if (response->status >= 300) return fail(error_of(*response));
  return std::move(response->body);
}

Result<json::value> Client::call_json(std::string_view method, const std::string& target,
                                      std::string body) const {
  SERIN_TRY_ASSIGN(const std::string answer, call(method, target, std::move(body)));
  return parse_json(answer);
}

Result<json::value> Client::apply(const Manifest& manifest, bool dry_run) const {
  std::string target = "/v1/apply?file=" + net::percent_encode(manifest.file);
  if (here()) target += "&folder=" + net::percent_encode(manifest.folder.string());
  if (dry_run) target += "&dryRun=true";
  return call_json("POST", target, manifest.text);
}

Result<json::array> Client::services() const {
  return array_in(call_json("GET", "/v1/services"), "services");
}
Result<json::value> Client::service(std::string_view name) const {
  return call_json("GET", path_of(name));
}
Status Client::remove(std::string_view name) const {
  return call("DELETE", path_of(name)).map([](const std::string&) {});
}
Result<std::string> Client::logs(std::string_view name, std::string_view replica,
                                 std::size_t lines) const {
  return call("GET", path_of(name) + "/logs?replica=" + net::percent_encode(replica) +
                         "&lines=" + std::to_string(lines));
}
Result<json::value> Client::rollout(std::string_view name) const {
  return call_json("GET", path_of(name) + "/rollout");
}
Result<json::array> Client::rollouts(std::string_view name, std::size_t most) const {
  return array_in(call_json("GET", path_of(name) + "/rollouts?most=" + std::to_string(most)),
                  "rollouts");
}
Result<json::value> Client::ask(std::string_view name, Verb verb) const {
  return call_json("POST", path_of(name) + "/rollout:" + std::string(name_of(verb)));
}
Result<json::array> Client::events(std::string_view service, std::int64_t after,
                                   std::size_t most) const {
  return array_in(
      call_json("GET", "/v1/events?service=" + net::percent_encode(service) +
                           "&after=" + std::to_string(after) + "&most=" + std::to_string(most)),
      "events");
}
Result<json::value> Client::status() const { return call_json("GET", "/v1/status"); }
Status Client::stop() const {
  return call("POST", "/v1/stop").map([](const std::string&) {});
}

}  // namespace serin::control::api
