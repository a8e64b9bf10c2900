// SPDX-License-Identifier: Apache-2.0
// Everything that the gateway is told, as one value. It is read from a JSON file and replaced as a
// whole: requests that begin after a replacement see all of the new one, requests under way end
// under the one that they began with. Immutable once shared.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "base/json.h"
#include "gateway/access/access_rules.h"
#include "gateway/policy/fallback.h"
#include "gateway/policy/fault.h"
#include "gateway/policy/guard_limits.h"
#include "gateway/policy/outlier.h"
#include "gateway/policy/retry_budget.h"
#include "net/http/uri.h"

namespace serin::gateway {

using std::chrono::milliseconds;

// One worker.
struct Replica {
  std::string id;   // unique on this machine, for logs and labels
  std::string url;  // "unix:/path/to.sock:", "http://host:port"
  // It does not answer at this moment. It gets no requests, and who waits there for a first byte
  // goes elsewhere where that may be.
  bool silent = false;
  bool operator==(const Replica&) const = default;
};

// Where its requests go. kInvalidArgument says what is wrong with the URL.
Result<net::Endpoint> endpoint_of(const Replica& replica);

// What the requests of one version may be given to. Where there are no replicas, or none yet, its
// requests wait for one, as many as `Resilience::max_pending_requests` and for
// `first_token_timeout`; beyond that they are answered 503.
struct Version {
  std::string label;
  std::string package;  // "sha256:…"
  // Its results are the same to the bit on every replica, so that a broken generation may go on at
  // another one, and a slow one may be hedged.
  bool bitwise = false;
  std::vector<Replica> replicas;
  bool operator==(const Version&) const = default;
};

enum class StickyBy : std::uint8_t { kRequest, kUser };

// How requests are divided between the stable version and a candidate.
struct Split {
  std::string stable;     // label
  std::string candidate;  // label; empty: there is none
  double weight = 0;      // the candidate's part of the keys, 0 to 1
  std::string salt;       // of the rollout: another one deals the keys anew
  StickyBy sticky_by = StickyBy::kRequest;
  std::string user_header;  // names the user before anything else does; empty: none
  bool shadow = false;      // the candidate answers copies, which are compared and never sent
  bool operator==(const Split&) const = default;
};

// The manifest's `resilience`, with its names and defaults.
struct Resilience {
  milliseconds timeout{60'000};
  milliseconds first_token_timeout{15'000};
  bool resume_streams = true;

  int retry_attempts = 2;  // after the first try
  RetryBudget retry_budget;
  milliseconds retry_backoff{25};

  std::uint32_t max_connections = 1024;  // to one replica, of one I/O thread
  std::uint32_t max_pending_requests = 1024;
  std::uint32_t max_requests_per_connection = 0;  // 0: any number

  OutlierLimits outliers;  // of each version's replicas
  GuardLimits guard;       // of the whole service

  enum class Balancer : std::uint8_t { kLeastRequest, kPrefixAware, kRoundRobin };
  Balancer balancer = Balancer::kLeastRequest;

  FallbackRules fallback;
  std::string mirror_service;  // empty: none
  double mirror_percent = 100;
  FaultRules fault;
  bool operator==(const Resilience&) const = default;
};

struct Service {
  std::string name;
  std::vector<Version> versions;
  Split split;
  Resilience resilience;
  AccessRules access;
  double sample = 0;  // the part of the requests that is kept for scorers, 0 to 1
  bool operator==(const Service&) const = default;
};

struct Config {
  std::uint64_t revision = 0;  // grows with every change
  std::vector<Service> services;
  bool operator==(const Config&) const = default;
};

// kInvalidArgument, naming `file` and the path of the field, for anything that is not a whole and
// consistent configuration: unknown fields, labels that no version has, weights beyond 0 to 1.
Result<Config> read_config(std::string_view text, std::string_view file);
std::string write_config(const Config& config);
// The manifest's `resilience`, the form in which a configuration has it too; what is left out has
// its default. kInvalidArgument with the path of the field below `path`.
Result<Resilience> read_resilience(const json::value& fields, std::string_view path);
// The same of the manifest's `access`.
Result<AccessRules> read_access(const json::value& fields, std::string_view path);

}  // namespace serin::gateway
