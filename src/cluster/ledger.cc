// SPDX-License-Identifier: Apache-2.0
#include "cluster/ledger.h"

#include <algorithm>
#include <utility>

#include "cluster/record_json.h"

namespace serin::cluster {
namespace {

using control::Event;
using control::RolloutRecord;
using control::ServiceRecord;
using control::StoreLimits;
using control::Subscription;

// Until the events of the same commit have their ids.
constexpr std::int64_t kEndsNow = -1;

void release_targets(Ledger& ledger) {
  for (Subscription& subscription : ledger.subscriptions) {
    if (subscription.until == 0) subscription.until = kEndsNow;
  }
}

// Before the events of the same commit, which a new target is told of.
void put_targets(Ledger& ledger, const ServiceRecord& service) {
  release_targets(ledger);
  for (const auto& [name, spec] : service.targets) {
    const auto found = std::ranges::find(ledger.subscriptions, name, &Subscription::target);
    if (found == ledger.subscriptions.end()) {
      ledger.subscriptions.push_back(
          {.service = service.name, .target = name, .spec = spec, .after = ledger.last_event()});
    } else {
      found->spec = spec;
      found->until = 0;
    }
  }
}

// After them, for a target that goes is still told of them.
void end_subscriptions(Ledger& ledger) {
  for (Subscription& subscription : ledger.subscriptions) {
    if (subscription.until == kEndsNow)
      subscription.until = std::max<std::int64_t>(ledger.last_event(), 1);
  }
}

void put_events(Ledger& ledger, std::span<const Event> events, std::size_t most) {
  ledger.events.insert(ledger.events.end(), events.begin(), events.end());
  while (ledger.events.size() > most) {
    const std::int64_t forgotten = ledger.events.front().id;
    for (Subscription& subscription : ledger.subscriptions) {
      if (forgotten > subscription.after) ++subscription.lost;
    }
    ledger.events.erase(ledger.events.begin());
  }
}

void put_rollout(Ledger& ledger, const ServiceRecord& next, std::size_t most) {
  const auto& last = ledger.service ? ledger.service->rollout : std::nullopt;
  if (!last || !next.rollout || last->number == next.rollout->number) return;
  ledger.history.push_back(*last);
  ledger.history.back().analysis.clear();
  // With the last one, which stands in the record.
  if (ledger.history.size() + 1 > most) ledger.history.erase(ledger.history.begin());
}

template <class T>
json::array array_of(const std::vector<T>& all) {
  json::array array;
  for (const T& one : all) array.push_back(to_json(one));
  return array;
}

template <class T>
Result<std::vector<T>> list_at(const json::object& object, std::string_view name,
                               Result<T> (*one)(const json::value&)) {
  std::vector<T> all;
  const json::value* value = object.if_contains(name);
  if (value == nullptr) return all;
  if (!value->is_array()) return fail(Code::kDataLoss, std::string(name) + " is no list");
  for (const json::value& item : value->get_array()) {
    auto made = one(item);
    if (!made) return fail(std::move(made).error().within(std::string(name)));
    all.push_back(*std::move(made));
  }
  return all;
}

}  // namespace

void commit(Ledger& ledger, const ServiceRecord& service, std::span<const Event> events,
            const StoreLimits& limits) {
  put_rollout(ledger, service, limits.rollouts_of_service);
  put_targets(ledger, service);
  put_events(ledger, events, limits.events);
  end_subscriptions(ledger);
  ledger.service = service;
}

void erase(Ledger& ledger, std::span<const Event> events, const StoreLimits& limits) {
  release_targets(ledger);
  put_events(ledger, events, limits.events);
  end_subscriptions(ledger);
  ledger.service.reset();
  ledger.history.clear();
}

void save_evidence(Ledger& ledger, const RolloutRecord& rollout) {
  if (!ledger.service || !ledger.service->rollout) return;
  RolloutRecord& stored = *ledger.service->rollout;
  if (stored.number != rollout.number) return;
  stored.analysis = rollout.analysis;
  stored.evidence_next = rollout.evidence_next;
  stored.stable_crashes = rollout.stable_crashes;
  stored.candidate_crashes = rollout.candidate_crashes;
  stored.agreements = rollout.agreements;
}

void advance(Ledger& ledger, const Subscription& subscription, std::span<const Event> events,
             const StoreLimits& limits) {
  const auto found =
      std::ranges::find(ledger.subscriptions, subscription.target, &Subscription::target);
  if (found != ledger.subscriptions.end()) {
    found->after = subscription.after;
    found->lost -= subscription.lost;
    if (found->until > 0 && found->after >= found->until) ledger.subscriptions.erase(found);
  }
  put_events(ledger, events, limits.events);
}

json::object to_json(const Ledger& ledger) {
  json::object object{{"history", array_of(ledger.history)},
                      {"events", array_of(ledger.events)},
                      {"subscriptions", array_of(ledger.subscriptions)}};
  if (ledger.service) object["service"] = to_json(*ledger.service);
  return object;
}

Result<Ledger> ledger_from(const json::value& value) {
  const json::object* object = value.if_object();
  if (object == nullptr) return fail(Code::kDataLoss, "it is no object");
  Ledger ledger;
  if (const json::value* service = object->if_contains("service")) {
    auto read = service_from(*service);
    if (!read) return fail(std::move(read).error().within("service"));
    ledger.service = *std::move(read);
  }
  SERIN_TRY_ASSIGN(ledger.history, list_at(*object, "history", rollout_from));
  SERIN_TRY_ASSIGN(ledger.events, list_at(*object, "events", event_from));
  SERIN_TRY_ASSIGN(ledger.subscriptions, list_at(*object, "subscriptions", subscription_from));
  return ledger;
}

}  // namespace serin::cluster
