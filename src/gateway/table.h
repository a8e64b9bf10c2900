// SPDX-License-Identifier: Apache-2.0
// A configuration made ready for requests: names to look up, addresses that are parsed, and beside
// each its state. Immutable and shared: a request holds the one that it began with.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "gateway/balance.h"
#include "gateway/config.h"
#include "gateway/route.h"
#include "gateway/state.h"
#include "net/http/uri.h"

namespace serin::gateway {

struct ReplicaEntry {
  std::string id;
  std::shared_ptr<const net::Endpoint> endpoint;
  std::uint64_t id_hash = 0;
  std::uint32_t worker = 0;  // what the evidence calls it
  std::shared_ptr<ReplicaState> state;
};

struct VersionEntry {
  std::string label;
  std::string package;
  bool bitwise = false;
  std::shared_ptr<const Served> served;
  std::vector<ReplicaEntry> replicas;  // that requests may go to
  // Of those that do not answer: held, so that requests that are there already see that they do
  // not.
  std::vector<std::shared_ptr<ReplicaState>> silent;
  std::shared_ptr<VersionState> state;

  // Where a try goes that was at `tried` before; null: there is no replica.
  const ReplicaEntry* pick(Resilience::Balancer balancer,
                           std::span<const ReplicaEntry* const> tried, const Draw& draw,
                           Instant now) const;
  // What the end of a try says of the replica that it was made at.
  void judge(const ReplicaEntry& replica, const Attempt& attempt, Instant now) const;
};

struct ServiceEntry {
  std::string name;
  std::vector<VersionEntry> versions;
  Split split;
  Resilience resilience;
  AccessRules access;
  double sample = 0;
  std::shared_ptr<ServiceState> state;

  const VersionEntry* find(std::string_view label) const;  // null: there is none
};

struct Table {
  Config config;
  std::map<std::string, ServiceEntry, std::less<>> services;

  // The same version of the same package as in another table; nothing where it is there no more.
  struct Place {
    const ServiceEntry* service;
    const VersionEntry* version;
  };
  std::optional<Place> find_same(std::string_view service, const VersionEntry& version) const;

  // The service that was named, or the only one; kNotFound names what there is.
  Result<const ServiceEntry*> find(std::string_view name) const;
  std::vector<std::string_view> names() const;
};

// The configuration has been checked by read_config().
std::shared_ptr<const Table> make_table(Config config, States& states);

}  // namespace serin::gateway
