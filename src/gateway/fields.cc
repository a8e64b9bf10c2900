// SPDX-License-Identifier: Apache-2.0
#include "gateway/fields.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <charconv>

#include "net/http/request_fields.h"

namespace serin::gateway {
namespace {

std::string hex(std::uint64_t number) {
  std::array<char, 16> digits{};
  digits.fill('0');
  std::array<char, 16> text{};
  const auto [end, error] = std::to_chars(text.data(), text.data() + text.size(), number, 16);
  const auto size = end - text.data();
  std::copy(text.data(), end, digits.end() - size);
  return {digits.data(), digits.size()};
}

// Fields of one connection, and those that this hop writes itself.
bool stays_here(std::string_view name) {
  switch (name.size()) {
    case 2:
      return name == "te";
    case 4:
      return name == "host";
    case 6:
      return name == "expect";
    case 7:
      return name == "trailer" || name == "upgrade";
    case 10:
      return name == "connection" || name == "keep-alive" || name == "tracestate" ||
             name == "serin-copy";
    case 11:
      return name == "traceparent";
    case 12:
      return name == "x-request-id" || name == "grpc-timeout";
    case 13:
      return name == "serin-timeout" || name == "serin-service";
    case 14:
      return name == "content-length";
    case 15:
      return name == "x-forwarded-for";
    case 16:
      return name == "proxy-connection";
    case 17:
      return name == "transfer-encoding" || name == "x-forwarded-proto";
    case 18:
      return name == "proxy-authenticate";
    case 19:
      return name == "proxy-authorization";
    default:
      return false;
  }
}

// Whether `name` is one of those that the Connection field names.
bool named(std::string_view list, std::string_view name) {
  while (!list.empty()) {
    const std::size_t comma = list.find(',');
    std::string_view option = list.substr(0, comma);
    option.remove_prefix(std::min(option.find_first_not_of(" \t"), option.size()));
    option = option.substr(0, option.find_last_not_of(" \t") + 1);
    const bool same = option.size() == name.size() &&
                      std::ranges::equal(option, name, [](unsigned char a, unsigned char b) {
                        return std::tolower(a) == b;
                      });
    if (same) return true;
    if (comma == std::string_view::npos) return false;
    list.remove_prefix(comma + 1);
  }
  return false;
}

std::string_view address_of(std::string_view peer) {
  const std::size_t colon = peer.rfind(':');
  return colon == std::string_view::npos ? peer : peer.substr(0, colon);
}

void add_forwarded(net::Headers& made, const net::RequestHead& head) {
  std::string chain(head.headers.get("x-forwarded-for"));
  if (!chain.empty()) chain += ", ";
  chain += address_of(head.peer);
  made.add_checked("x-forwarded-for", std::move(chain));
  made.add_checked("x-forwarded-proto", head.tls ? "https" : "http");
}

}  // namespace

std::string request_id(const net::Headers& headers, std::uint64_t random) {
  if (const std::string_view given = net::usable_request_id(headers); !given.empty())
    return std::string(given);
  return "req-" + hex(random);
}

net::Headers fields_for_worker(const net::RequestHead& head, const Hop& hop) {
  net::Headers made;
  made.reserve(head.headers.size() + 5);
  const std::string_view options = head.headers.get("connection");
  for (const auto& [name, value] : head.headers) {
    if (stays_here(name) || (!options.empty() && named(options, name))) continue;
    made.add_checked(std::string(name), std::string(value));
  }
  made.add_checked("x-request-id", std::string(hop.request_id));
  if (hop.trace != nullptr && hop.trace->valid()) {
    made.add_checked("traceparent", telemetry::format_traceparent(*hop.trace));
    if (!hop.trace->state.empty()) made.add_checked("tracestate", std::string(hop.trace->state));
  }
  add_forwarded(made, head);
  if (hop.grpc) made.add_checked("te", "trailers");
  if (hop.left > Duration::zero()) {
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(hop.left).count();
    made.add_checked(hop.grpc ? "grpc-timeout" : "serin-timeout",
                     std::to_string(left) + (hop.grpc ? "m" : "ms"));
  }
  return made;
}

void change_answer(net::Headers& headers, std::string_view request_id, std::string_view version) {
  for (const std::string_view name :
       {"date", "connection", "keep-alive", "transfer-encoding", "upgrade", "proxy-connection"})
    headers.remove(name);
  headers.set("x-request-id", request_id);
  headers.set("serin-version", version);
}

}  // namespace serin::gateway
