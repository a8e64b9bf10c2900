// SPDX-License-Identifier: Apache-2.0
#include "gateway/table.h"

#include <algorithm>

#include "base/words.h"
#include "gateway/hash.h"

namespace serin::gateway {
namespace {

VersionEntry version_entry(const std::string& service, const Version& version, States& states) {
  VersionEntry entry;
  entry.label = version.label;
  entry.package = version.package;
  entry.bitwise = version.bitwise;
  entry.served = std::make_shared<const Served>(Served{service, version.label, version.package});
  entry.state = states.version(service, version.label);
  if (!version.replicas.empty()) entry.state->had_replica = true;
  for (const Replica& replica : version.replicas) {
    auto endpoint = endpoint_of(replica);
    if (!endpoint) continue;
    auto state = states.replica(service, version.label, replica.id);
    state->silent.store(replica.silent, std::memory_order_relaxed);
    if (replica.silent) {
      entry.silent.push_back(std::move(state));
      continue;
    }
    ReplicaEntry& made = entry.replicas.emplace_back();
    made.id = replica.id;
    made.endpoint = std::make_shared<const net::Endpoint>(*std::move(endpoint));
    made.id_hash = hash_bytes(replica.id, 0);
    made.worker = static_cast<std::uint32_t>(made.id_hash);
    made.state = std::move(state);
  }
  return entry;
}

}  // namespace

const ReplicaEntry* VersionEntry::pick(Resilience::Balancer balancer,
                                       std::span<const ReplicaEntry* const> tried, const Draw& draw,
                                       Instant now) const {
  std::vector<Choice> choices;
  choices.reserve(replicas.size());
  for (const ReplicaEntry& replica : replicas)
    choices.push_back({.id_hash = replica.id_hash,
                       .in_flight = replica.state->in_flight.load(std::memory_order_relaxed),
                       .open = replica.state->open(now),
                       .tried = std::ranges::find(tried, &replica) != tried.end()});
  const auto place = gateway::pick(balancer, choices, draw);
  return place ? &replicas[*place] : nullptr;
}

void VersionEntry::judge(const ReplicaEntry& replica, const Attempt& attempt, Instant now) const {
  for (const Ejection& ejection : state->tried(replica.id, attempt, now)) {
    for (const ReplicaEntry& one : replicas) {
      if (one.id == ejection.replica)
        one.state->closed_until.store((now + ejection.time).time_since_epoch());
    }
  }
}

const VersionEntry* ServiceEntry::find(std::string_view label) const {
  const auto found = std::ranges::find_if(
      versions, [&](const VersionEntry& version) { return version.label == label; });
  return found == versions.end() ? nullptr : &*found;
}

std::vector<std::string_view> Table::names() const {
  std::vector<std::string_view> names;
  for (const auto& [name, service] : services) names.emplace_back(name);
  return names;
}

Result<const ServiceEntry*> Table::find(std::string_view name) const {
  if (name.empty() && services.size() == 1) return &services.begin()->second;
  const auto found = services.find(name);
  if (found != services.end()) return &found->second;
  if (services.empty())
    return fail(Error{Code::kNotFound, "no service is configured yet", "model_not_found", "model"});
  if (name.empty())
    return fail(Error{Code::kNotFound,
                      "the request does not say which service it is for; " + there_are(names()) +
                          ": name one as \"model\", or in the path /services/NAME/…",
                      "model_not_found", "model"});
  return fail(Error{Code::kNotFound,
                    "there is no service \"" + std::string(name) + "\"; " + there_are(names()),
                    "model_not_found", "model"});
}

std::optional<Table::Place> Table::find_same(std::string_view service,
                                             const VersionEntry& version) const {
  const auto found = services.find(service);
  if (found == services.end()) return std::nullopt;
  const VersionEntry* same = found->second.find(version.label);
  if (same == nullptr || same->package != version.package) return std::nullopt;
  return Place{&found->second, same};
}

std::shared_ptr<const Table> make_table(Config config, States& states) {
  auto table = std::make_shared<Table>();
  for (const Service& service : config.services) {
    ServiceEntry entry;
    entry.name = service.name;
    entry.split = service.split;
    entry.resilience = service.resilience;
    entry.access = service.access;
    entry.sample = service.sample;
    entry.state = states.service(service.name);
    for (const Version& version : service.versions)
      entry.versions.push_back(version_entry(service.name, version, states));
    entry.state->guard.set(service.resilience.guard);
    for (const VersionEntry& version : entry.versions) {
      std::vector<std::string> ids;
      ids.reserve(version.replicas.size());
      for (const ReplicaEntry& replica : version.replicas) ids.push_back(replica.id);
      version.state->watch(service.resilience.outliers, ids);
    }
    table->services.emplace(service.name, std::move(entry));
  }
  table->config = std::move(config);
  return table;
}

}  // namespace serin::gateway
