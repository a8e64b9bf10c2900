// SPDX-License-Identifier: Apache-2.0
#include "telemetry/http_spans.h"

#include <algorithm>
#include <array>
#include <string>

#include "net/grpc/frame.h"

namespace serin::telemetry {
namespace {

constexpr std::size_t kMostBytes = 256;  // of an attribute that a client chose

std::string printable(std::string_view text) {
  std::string made(text.substr(0, kMostBytes));
  std::ranges::replace_if(made, [](char letter) { return letter < ' ' || letter > '~'; }, '?');
  return made;
}

std::string_view known_method(std::string_view method) {
  constexpr std::array<std::string_view, 9> kKnown = {
      "GET", "HEAD", "POST", "PUT", "DELETE", "CONNECT", "OPTIONS", "TRACE", "PATCH"};
  return std::ranges::find(kKnown, method) == kKnown.end() ? "_OTHER" : method;
}

std::string_view before(std::string_view text, std::string_view ends) {
  return text.substr(0, text.find_first_of(ends));
}

// "inference.GRPCInferenceService" and "ModelInfer" of the path that gRPC calls.
std::pair<std::string_view, std::string_view> grpc_call(std::string_view path) {
  path.remove_prefix(path.starts_with('/') ? 1 : 0);
  const std::size_t slash = path.find('/');
  if (slash == std::string_view::npos) return {path, {}};
  return {path.substr(0, slash), path.substr(slash + 1)};
}

std::string name_of(const net::RequestHead& head, std::string_view route) {
  if (net::grpc::is_grpc(head)) return printable(before(head.target, "?").substr(1));
  const std::string_view method = known_method(head.method);
  std::string name(method == "_OTHER" ? "HTTP" : method);
  if (!route.empty()) name.append(" ").append(route);
  return name;
}

// What server and client spans of a request have in common.
void describe(Span& span, const net::RequestHead& head, std::string_view route) {
  span.set("http.request.method", std::string(known_method(head.method)));
  if (!route.empty()) span.set("http.route", std::string(route));
  if (!net::grpc::is_grpc(head)) return;
  const auto [service, method] = grpc_call(before(head.target, "?"));
  span.set("rpc.system", std::string("grpc"));
  span.set("rpc.service", printable(service));
  span.set("rpc.method", printable(method));
}

void fail(Span& span, std::uint16_t status, std::string_view error) {
  const std::string kind = error.empty() ? std::to_string(status) : std::string(error);
  span.set("error.type", kind);
  span.fail(error.empty() ? "status " + kind : kind);
}

}  // namespace

Span start_server_span(const Tracer& tracer, const net::RequestHead& head, std::string_view route) {
  Span span = tracer.start(
      {}, SpanKind::kServer,
      parse_traceparent(head.headers.get("traceparent"), head.headers.get("tracestate")));
  if (!span.recording()) return span;
  span.rename(name_of(head, route));
  describe(span, head, route);
  span.set("url.path", printable(before(head.target, "?")));
  span.set("url.scheme", std::string(head.tls ? "https" : "http"));
  span.set("network.protocol.version", std::string(head.http2 ? "2" : "1.1"));
  span.set("server.address", printable(head.authority));
  span.set("client.address", printable(head.peer.substr(0, head.peer.rfind(':'))));
  if (const auto agent = head.headers.find("user-agent"))
    span.set("user_agent.original", printable(*agent));
  return span;
}

void end_server_span(Span& span, std::uint16_t status) {
  if (!span.recording()) return;
  span.set("http.response.status_code", std::int64_t{status});
  if (status >= 500) fail(span, status, {});
  span.end();
}

Span start_client_span(const Tracer& tracer, const SpanContext& cause, const net::RequestHead& head,
                       std::string_view route) {
  Span span = tracer.start({}, SpanKind::kClient, cause);
  if (!span.recording()) return span;
  span.rename(name_of(head, route));
  describe(span, head, route);
  return span;
}

void set_server(Span& span, const net::Endpoint& to) {
  if (!span.recording()) return;
  if (to.unix_socket.empty()) {
    span.set("server.address", to.host);
    span.set("server.port", std::int64_t{to.port});
  } else {
    span.set("server.address", to.unix_socket);
    span.set("network.transport", std::string("unix"));
  }
}

void end_client_span(Span& span, std::uint16_t status, std::string_view error) {
  if (!span.recording()) return;
  if (error.empty()) span.set("http.response.status_code", std::int64_t{status});
  if (!error.empty() || status >= 400) fail(span, status, error);
  span.end();
}

}  // namespace serin::telemetry
