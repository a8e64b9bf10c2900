// SPDX-License-Identifier: Apache-2.0
#include "cluster/cluster_store.h"

#include <algorithm>
#include <utility>

#include "platform/kubernetes/client/object.h"
#include "platform/kubernetes/objects/names.h"

namespace serin::cluster {
namespace {

using control::Event;
using control::RolloutRecord;
using control::ServiceRecord;
using control::Subscription;
namespace k8s = platform::kubernetes;

constexpr std::string_view kLedgerFile = "ledger.json";
constexpr std::string_view kWriter = "serin.dev/written-by";
constexpr std::string_view kSelector =
    "app.kubernetes.io/managed-by=serin,app.kubernetes.io/component=record";

k8s::Target target_of(const std::string& ns, std::string name = {}) {
  return {.resource = {.group = {}, .version = "v1", .plural = "configmaps"},
          .ns = ns,
          .name = std::move(name)};
}

// Nobody owns it: what is left to be told of a service that is gone outlives its resource.
json::object config_map_of(const std::string& service, const Ledger& ledger,
                           const ClusterStoreOptions& options, const std::string& version) {
  json::object labels = k8s::service_labels(service);
  labels["app.kubernetes.io/component"] = "record";
  json::object metadata =
      k8s::metadata_of(record_name(service), options.ns, std::move(labels), nullptr);
  metadata["annotations"] = {{kWriter, options.writer}};
  if (!version.empty()) metadata["resourceVersion"] = version;
  return {{"apiVersion", "v1"},
          {"kind", "ConfigMap"},
          {"metadata", std::move(metadata)},
          {"data", {{kLedgerFile, json::serialize(to_json(ledger))}}}};
}

// Changed by another, or taken away.
bool is_conflict(Code code) { return code == Code::kAborted || code == Code::kNotFound; }

std::int64_t last_number_of(const Ledger& ledger) {
  std::int64_t last = ledger.last_event();
  for (const Subscription& subscription : ledger.subscriptions)
    last = std::max({last, subscription.after, subscription.until});
  return last;
}

}  // namespace

std::string record_name(std::string_view service) { return std::string(service) + ".serin-record"; }

ClusterStore::ClusterStore(k8s::Api& api, ClusterStoreOptions options, Announce announce)
    : api_(api), options_(std::move(options)), announce_(std::move(announce)) {}

Result<std::unique_ptr<ClusterStore>> ClusterStore::open(k8s::Api& api, ClusterStoreOptions options,
                                                         Announce announce) {
  std::unique_ptr<ClusterStore> store(
      new ClusterStore(api, std::move(options), std::move(announce)));
  SERIN_TRY(store->read_all());
  return store;
}

Status ClusterStore::read_all() {
  SERIN_TRY_ASSIGN(const k8s::List found,
                   api_.list(target_of(options_.ns), {.labels = std::string(kSelector)}));
  for (const json::value& object : found.items) {
    const std::string name = k8s::key_of(object).name;
    auto document = parse_json(text_at(object, "/data/" + std::string(kLedgerFile)));
    auto ledger = document ? ledger_from(*document) : fail(document.error());
    if (!ledger)
      return fail(Code::kDataLoss, "ConfigMap " + options_.ns + "/" + name + ": " +
                                       std::string(kLedgerFile) + ": " + ledger.error().message);
    last_event_ = std::max(last_event_, last_number_of(*ledger));
    const std::string service(text_at(object, "/metadata/labels/serin.dev~1service"));
    kept_[service] = {*std::move(ledger), std::string(k8s::version_of(object))};
  }
  return {};
}

Result<std::vector<ServiceRecord>> ClusterStore::load() {
  const std::lock_guard lock(mutex_);
  std::vector<ServiceRecord> services;
  for (const auto& [name, kept] : kept_) {
    if (kept.ledger.service) services.push_back(*kept.ledger.service);
  }
  return services;
}

Status ClusterStore::commit(const ServiceRecord& service, std::span<const Event> events) {
  const std::lock_guard lock(mutex_);
  const std::vector<Event> stored = numbered(events);
  Ledger next = ledger_of(service.name);
  cluster::commit(next, service, stored, options_.limits);
  return put(service.name, std::move(next), stored);
}

Status ClusterStore::erase(std::string_view service, std::span<const Event> events) {
  const std::lock_guard lock(mutex_);
  const std::vector<Event> stored = numbered(events);
  Ledger next = ledger_of(service);
  cluster::erase(next, stored, options_.limits);
  return put(std::string(service), std::move(next), stored);
}

Status ClusterStore::save_evidence(std::string_view service, const RolloutRecord& rollout) {
  const std::lock_guard lock(mutex_);
  Ledger next = ledger_of(service);
  cluster::save_evidence(next, rollout);
  return put(std::string(service), std::move(next), {});
}

Status ClusterStore::advance(const Subscription& subscription, std::span<const Event> events) {
  const std::lock_guard lock(mutex_);
  const std::vector<Event> stored = numbered(events);
  Ledger next = ledger_of(subscription.service);
  cluster::advance(next, subscription, stored, options_.limits);
  return put(subscription.service, std::move(next), stored);
}

Result<std::vector<Event>> ClusterStore::events(const control::EventQuery& query) {
  const std::lock_guard lock(mutex_);
  std::vector<Event> found;
  for (const auto& [name, kept] : kept_) {
    if (!query.service.empty() && name != query.service) continue;
    std::ranges::copy_if(kept.ledger.events, std::back_inserter(found),
                         [&](const Event& event) { return event.id > query.after; });
  }
  std::ranges::sort(found, {}, &Event::id);
  if (found.size() <= query.most) return found;
  const auto most = static_cast<std::ptrdiff_t>(query.most);
  if (query.after == 0) {
    found.erase(found.begin(), found.end() - most);
  } else {
    found.erase(found.begin() + most, found.end());
  }
  return found;
}

Result<std::vector<RolloutRecord>> ClusterStore::history(std::string_view service,
                                                         std::size_t most) {
  const std::lock_guard lock(mutex_);
  const Ledger ledger = ledger_of(service);
  std::vector<RolloutRecord> found(ledger.history.rbegin(), ledger.history.rend());
  if (ledger.service && ledger.service->rollout) {
    found.insert(found.begin(), *ledger.service->rollout);
    found.front().analysis.clear();
  }
  if (found.size() > most) found.resize(most);
  return found;
}

Result<std::vector<Subscription>> ClusterStore::subscriptions() {
  const std::lock_guard lock(mutex_);
  std::vector<Subscription> found;
  for (const auto& [name, kept] : kept_)
    std::ranges::copy(kept.ledger.subscriptions, std::back_inserter(found));
  return found;
}

Result<std::vector<Event>> ClusterStore::pending(const Subscription& subscription,
                                                 std::size_t most) {
  const std::lock_guard lock(mutex_);
  std::vector<Event> found;
  const Ledger ledger = ledger_of(subscription.service);
  for (const Event& event : ledger.events) {
    const bool asked = event.id > subscription.after &&
                       (subscription.until == 0 || event.id <= subscription.until);
    if (asked && found.size() < most) found.push_back(event);
  }
  return found;
}

bool ClusterStore::stale() const {
  const std::lock_guard lock(mutex_);
  return stale_;
}

Ledger ClusterStore::ledger_of(std::string_view service) const {
  const auto found = kept_.find(service);
  return found == kept_.end() ? Ledger() : found->second.ledger;
}

std::vector<Event> ClusterStore::numbered(std::span<const Event> events) const {
  std::vector<Event> stored(events.begin(), events.end());
  std::int64_t last = last_event_;
  for (Event& event : stored) event.id = ++last;
  return stored;
}

Status ClusterStore::put(const std::string& service, Ledger next, std::span<const Event> events) {
  if (stale_)
    return fail(Code::kAborted,
                "somebody else has written the records of namespace " + options_.ns);
  if (!options_.leads()) return fail(Code::kAborted, "this operator does not lead any more");
  const auto found = kept_.find(service);
  std::string version = found == kept_.end() ? std::string() : found->second.version;
  auto written = write(service, next, version);
  if (!written && is_conflict(written.error().code)) {
    SERIN_TRY_ASSIGN(version, version_after_conflict(service, written.error()));
    written = write(service, next, version);
  }
  if (!written) return fail(written.error());
  if (next.over()) {
    kept_.erase(service);
  } else {
    kept_[service] = {std::move(next), *std::move(written)};
  }
  if (!events.empty()) last_event_ = events.back().id;
  std::ranges::for_each(events, announce_);
  return {};
}

// The version after it. kAborted or kNotFound where `version` is not the last one.
Result<std::string> ClusterStore::write(const std::string& service, const Ledger& next,
                                        const std::string& version) {
  const k8s::Target one = target_of(options_.ns, record_name(service));
  if (next.over()) {
    if (version.empty()) return std::string();
    const Status removed = api_.remove(one, {.version = version});
    if (!removed && removed.error().code != Code::kNotFound) return fail(removed.error());
    return std::string();
  }
  const json::object object = config_map_of(service, next, options_, version);
  auto stored =
      version.empty() ? api_.create(target_of(options_.ns), object) : api_.update(one, object);
  if (!stored && version.empty() && stored.error().code == Code::kAlreadyExists)
    return fail(Code::kAborted, stored.error().message);
  if (!stored) return fail(std::move(stored).error());
  return std::string(k8s::version_of(*stored));
}

// The version to write over, where the last writer was this process: a write whose answer was lost,
// on which nobody has acted, for its caller was told that it failed.
Result<std::string> ClusterStore::version_after_conflict(const std::string& service,
                                                         const Error& conflict) {
  auto stored = api_.get(target_of(options_.ns, record_name(service)));
  if (!stored && stored.error().code == Code::kNotFound) return std::string();
  if (!stored) return fail(std::move(stored).error());
  const std::string_view writer = text_at(*stored, "/metadata/annotations/serin.dev~1written-by");
  if (writer == options_.writer) return std::string(k8s::version_of(*stored));
  stale_ = true;
  return fail(Code::kAborted, "ConfigMap " + options_.ns + "/" + record_name(service) +
                                  " was written by " + std::string(writer) + ": " +
                                  conflict.message);
}

}  // namespace serin::cluster
