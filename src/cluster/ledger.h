// SPDX-License-Identifier: Apache-2.0
// All that is stored of one service where a store keeps a document for each: pure functions from
// one state of it to the next, which do to it what control/store.h promises.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/json.h"
#include "control/store.h"

namespace serin::cluster {

struct Ledger {
  // None once the service was forgotten, while its targets still have to be told of that.
  std::optional<control::ServiceRecord> service;
  std::vector<control::RolloutRecord> history;  // by number; without statistics; not the last one
  std::vector<control::Event> events;           // by id
  std::vector<control::Subscription> subscriptions;

  bool over() const { return !service && subscriptions.empty(); }
  std::int64_t last_event() const { return events.empty() ? 0 : events.back().id; }
};

// As Store::commit(), erase(), save_evidence() and advance(). Events have their ids, which grow.
void commit(Ledger& ledger, const control::ServiceRecord& service,
            std::span<const control::Event> events, const control::StoreLimits& limits);
void erase(Ledger& ledger, std::span<const control::Event> events,
           const control::StoreLimits& limits);
void save_evidence(Ledger& ledger, const control::RolloutRecord& rollout);
void advance(Ledger& ledger, const control::Subscription& subscription,
             std::span<const control::Event> events, const control::StoreLimits& limits);

json::object to_json(const Ledger& ledger);
Result<Ledger> ledger_from(const json::value& value);  // errors as in record_json.h

}  // namespace serin::cluster
