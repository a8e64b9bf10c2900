// SPDX-License-Identifier: Apache-2.0
// Who answers when a version cannot: in this order another version of the service, another service,
// a fixed answer. And which requests are copied to a service whose answers nobody gets. Pure.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

namespace serin::gateway {

// An answer that needs no worker.
struct FixedAnswer {
  int status = 503;
  std::string content_type = "application/json";
  std::string body;
  bool operator==(const FixedAnswer&) const = default;
};

struct FallbackRules {
  bool other_version = false;  // of the split: the stable one for the candidate, and the other way
  std::string service = {};    // empty: none
  std::optional<FixedAnswer> answer = {};
  bool operator==(const FallbackRules&) const = default;
};

struct ToVersion {
  std::string label;
  bool operator==(const ToVersion&) const = default;
};
struct ToService {
  std::string name;
  bool operator==(const ToService&) const = default;
};
using Fallback = std::variant<ToVersion, ToService, FixedAnswer>;

// Where a request has been.
struct Visited {
  std::vector<std::string> services;  // in order; the last is the one that cannot answer
  std::vector<std::string> versions;  // of the last
};
inline constexpr std::size_t kMostServices = 4;  // that one request may visit

// What to try next; none: the client gets the error. `versions` are the split's: labels, an empty
// one is none. Never goes where the request has been, so that services that fall back on each other
// end.
std::optional<Fallback> next_fallback(const FallbackRules& rules, const Visited& visited,
                                      const std::vector<std::string_view>& versions);

}  // namespace serin::gateway
