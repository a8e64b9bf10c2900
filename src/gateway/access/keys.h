// SPDX-License-Identifier: Apache-2.0
// The API keys that a gateway accepts: whose each is, what it may call, and how much. A key is
// known only by its hash (`serin key new`). Read from a YAML file:
//
//   keys:
//   - name: team-a
//     hashes: [27392068…]               # two while a key is changed for another
//     services: [storyteller, "glyph*"] # all when it is left out
//     methods: [GET, POST /v1/chat/*]   # all when it is left out
//     priority: high                    # low, normal or high
//     rateAny: true                     # feedback on requests of others, too
//     expires: 2027-01-31               # the first day on which it is no longer good, UTC
//     limits: {requestsPerMinute: 600, tokensPerMinute: 100000, concurrency: 8,
//              requestsPerDay: 10000, tokensPerDay: 5000000}
//
// Immutable once read, safe from any thread.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "base/clock.h"
#include "base/error.h"
#include "gateway/policy/shed.h"

namespace serin::gateway {

// 0: not bounded.
struct KeyLimits {
  std::int64_t requests_per_minute = 0;
  std::int64_t tokens_per_minute = 0;  // of prompts and answers together
  std::int64_t concurrency = 0;        // requests in flight
  std::int64_t requests_per_day = 0;
  std::int64_t tokens_per_day = 0;
  bool operator==(const KeyLimits&) const = default;
};

struct ApiKey {
  std::string name = {};
  std::vector<std::string> hashes = {};
  std::vector<std::string> services = {};  // patterns: '*' at the end stands for anything
  std::vector<std::string> methods = {};  // "METHOD", "/path" or "METHOD /path", with such patterns
  Priority priority = Priority::kNormal;
  bool rates_any = false;  // feedback on requests of others, too
  std::optional<std::chrono::system_clock::time_point> expires = {};
  KeyLimits limits = {};
};

class KeyRing {
 public:
  // kInvalidArgument: "WHERE:LINE:COLUMN: path: what". No two keys may share a name or a hash.
  static Result<KeyRing> parse(std::string_view text, std::string_view where);
  static Result<KeyRing> read(const std::filesystem::path& path);

  // Null for a secret that is none of them.
  const ApiKey* find(std::string_view secret) const;
  const std::vector<ApiKey>& keys() const { return keys_; }
  std::size_t size() const { return keys_.size(); }

 private:
  std::vector<ApiKey> keys_;
  std::unordered_map<std::string, std::size_t> by_hash_;
};

// Whether the key is good for this call: kUnauthenticated ("expired_api_key") or kPermissionDenied
// ("service_not_allowed", "method_not_allowed").
Status may_call(const ApiKey& key, std::string_view service, std::string_view method,
                std::string_view path, std::chrono::system_clock::time_point now);

}  // namespace serin::gateway
