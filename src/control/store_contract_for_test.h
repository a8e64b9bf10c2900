// SPDX-License-Identifier: Apache-2.0
// What every Store must do, as one suite. A store's test program includes this once, says how one
// is opened, and runs it with INSTANTIATE_TEST_SUITE_P.
#pragma once

#include <gmock/gmock.h>

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "control/record_for_test.h"
#include "control/store.h"

namespace serin::control {

// Somewhere that a store keeps things.
class StoreWorld {
 public:
  virtual ~StoreWorld() = default;
  // One that finds what the one before has kept, which is gone.
  virtual std::unique_ptr<Store> open(const StoreLimits& limits) = 0;
};

struct MakeStoreWorld {
  std::string name;
  std::function<std::unique_ptr<StoreWorld>()> make;
};
inline void PrintTo(const MakeStoreWorld& made, std::ostream* out) { *out << made.name; }

inline std::vector<std::string> reasons_of(const Result<std::vector<Event>>& events) {
  std::vector<std::string> found;
  EXPECT_TRUE(events.has_value()) << events.error().message;
  if (!events) return found;
  for (const Event& event : *events) found.push_back(event.reason);
  return found;
}
inline std::vector<std::string> reasons(Store& store, const EventQuery& query) {
  return reasons_of(store.events(query));
}

class StoreContract : public testing::TestWithParam<MakeStoreWorld> {
 protected:
  std::unique_ptr<Store> open(const StoreLimits& limits = {}) { return world_->open(limits); }
  std::unique_ptr<StoreWorld> world_ = GetParam().make();
};

TEST_P(StoreContract, GivesBackWhatWasCommitted) {
  const ServiceRecord service = a_service();
  const std::vector<Event> events{an_event("Created"), an_event("RolloutStarted")};
  ASSERT_TRUE(open()->commit(service, events));
  const auto store = open();
  const auto loaded = store->load();
  ASSERT_TRUE(loaded.has_value()) << loaded.error().message;
  ASSERT_EQ(loaded->size(), 1U);
  EXPECT_EQ(loaded->front(), service);
  const auto found = store->events({});
  ASSERT_EQ(found->size(), 2U);
  EXPECT_EQ(found->at(1).reason, "RolloutStarted");
  EXPECT_EQ(found->at(1).version, "v2");
  EXPECT_EQ(found->at(1).time, at(40));
  EXPECT_TRUE(found->at(1).warning);
}

TEST_P(StoreContract, ACommitReplacesTheRecordAndKeepsTheHistory) {
  const auto store = open();
  ServiceRecord service = a_service();
  ASSERT_TRUE(store->commit(service, {}));
  service.versions.erase(service.versions.begin());
  service.rollout->ending = Ending::kRolledBack;
  service.rollout->unready_since.reset();
  ASSERT_TRUE(store->commit(service, {}));
  service.rollout->number = 2;
  service.rollout->ending = Ending::kNone;
  ASSERT_TRUE(store->commit(service, {}));
  EXPECT_EQ(store->load()->front(), service);
  const auto history = store->history("story", 10);
  ASSERT_EQ(history->size(), 2U);
  EXPECT_EQ(history->at(0).number, 2);
  EXPECT_EQ(history->at(1).ending, Ending::kRolledBack);
  EXPECT_EQ(history->at(1).analysis, "");
}

TEST_P(StoreContract, StatisticsAreWrittenAlone) {
  const auto store = open();
  ServiceRecord service = a_service();
  ASSERT_TRUE(store->commit(service, {}));
  service.rollout->analysis = "more";
  service.rollout->evidence_next = "3f9a:99,77c1:12";
  service.rollout->candidate_crashes = 5;
  RolloutRecord other = *service.rollout;
  other.weight = 90;
  ASSERT_TRUE(store->save_evidence("story", other));
  EXPECT_EQ(store->load()->front(), service);
}

TEST_P(StoreContract, EventsAreAskedForByServiceAndPlace) {
  const auto store = open();
  for (int i = 1; i <= 4; ++i) {
    Event event = an_event("E" + std::to_string(i));
    event.service = i == 2 ? "other" : "story";
    ServiceRecord service;
    service.name = event.service;
    ASSERT_TRUE(store->commit(service, {&event, 1}));
  }
  EXPECT_THAT(reasons(*store, {.service = {}, .after = 0, .most = 2}),
              testing::ElementsAre("E3", "E4"));
  EXPECT_THAT(reasons(*store, {.service = {}, .after = 1, .most = 2}),
              testing::ElementsAre("E2", "E3"));
  EXPECT_THAT(reasons(*store, {.service = "other", .after = 0, .most = 9}),
              testing::ElementsAre("E2"));
}

TEST_P(StoreContract, EventsAndRolloutsAreBounded) {
  const auto store = open({.events = 3, .rollouts_of_service = 2});
  ServiceRecord service = a_service();
  for (int i = 1; i <= 6; ++i) {
    const Event event = an_event("E" + std::to_string(i));
    service.rollout->number = i;
    ASSERT_TRUE(store->commit(service, {&event, 1}));
  }
  EXPECT_THAT(reasons(*store, {}), testing::ElementsAre("E4", "E5", "E6"));
  EXPECT_EQ(store->history("story", 10)->size(), 2U);
}

TEST_P(StoreContract, ATargetIsToldOfAllFromItsFirstCommitToItsServicesEnd) {
  auto store = open();
  ServiceRecord service = a_service();
  const Event before = an_event("Before");
  ASSERT_TRUE(store->commit(service, {&before, 1}));
  service.targets["chat"] = "{}";
  const Event first = an_event("First");
  ASSERT_TRUE(store->commit(service, {&first, 1}));
  const Event deleted = an_event("Deleted");
  ASSERT_TRUE(store->erase("story", {&deleted, 1}));
  EXPECT_TRUE(store->load()->empty());
  EXPECT_TRUE(store->history("story", 10)->empty());
  store.reset();
  store = open();
  const auto subscriptions = store->subscriptions();
  ASSERT_EQ(subscriptions->size(), 1U);
  Subscription told = subscriptions->front();
  EXPECT_EQ(told.target, "chat");
  const auto pending = store->pending(told, 10);
  EXPECT_THAT(reasons_of(pending), testing::ElementsAre("First", "Deleted"));
  told.after = pending->at(0).id;
  ASSERT_TRUE(store->advance(told, {}));
  EXPECT_THAT(reasons_of(store->pending(store->subscriptions()->front(), 10)),
              testing::ElementsAre("Deleted"));
  told.after = pending->at(1).id;
  ASSERT_TRUE(store->advance(told, {}));
  EXPECT_TRUE(store->subscriptions()->empty());
}

TEST_P(StoreContract, WhatWasForgottenBeforeATargetWasToldIsCounted) {
  const auto store = open({.events = 2, .rollouts_of_service = 2});
  ServiceRecord service = a_service();
  service.targets["chat"] = "{}";
  for (int i = 1; i <= 5; ++i) {
    const Event event = an_event("E" + std::to_string(i));
    ASSERT_TRUE(store->commit(service, {&event, 1}));
  }
  EXPECT_EQ(store->subscriptions()->front().lost, 3);
}

TEST_P(StoreContract, ATargetThatIsNamedNoMoreIsToldToTheCommitThatLeavesItOut) {
  const auto store = open();
  ServiceRecord service = a_service();
  service.targets["chat"] = "{}";
  const Event first = an_event("First");
  ASSERT_TRUE(store->commit(service, {&first, 1}));
  service.targets.clear();
  const Event last = an_event("Last");
  ASSERT_TRUE(store->commit(service, {&last, 1}));
  const Event later = an_event("Later");
  ASSERT_TRUE(store->commit(service, {&later, 1}));
  EXPECT_THAT(reasons_of(store->pending(store->subscriptions()->front(), 10)),
              testing::ElementsAre("First", "Last"));
}

}  // namespace serin::control
