// SPDX-License-Identifier: Apache-2.0
#include "control/store.h"

#include <gmock/gmock.h>

#include "base/files.h"
#include "base/sqlite.h"
#include "rollout/agreements.h"

namespace serin::control {
namespace {

using std::chrono::milliseconds;
using testing::ElementsAre;

Moment at(int seconds) { return Moment(std::chrono::seconds(seconds)); }

ServiceRecord a_service() {
  ServiceRecord service;
  service.name = "story";
  service.generation = 3;
  service.manifest = "{}";
  service.model = {.source = "story:v2", .digest = "sha256:22", .root = "/packages/22"};
  service.attempted = 2;
  service.labels = 2;
  service.rollouts = 1;
  service.stable = "v1";
  service.routed = true;
  service.versions = {
      {.label = "v1",
       .model = {.source = "story:v1", .digest = "sha256:11", .root = "/packages/11"},
       .since = at(10),
       .state = VersionState::kStable,
       .trouble = "CrashLoop"},
      {.label = "v2",
       .model = service.model,
       .since = at(20),
       .state = VersionState::kCandidate,
       .trouble = {}}};
  RolloutRecord rollout;
  rollout.number = 1;
  rollout.candidate = "v2";
  rollout.stable = "v1";
  rollout.strategy = Strategy::kRecreate;
  rollout.manifest = "{\"a\":1}";
  rollout.phase = Phase::kVacating;
  rollout.salt = "story/1";
  rollout.weight = 20;
  rollout.began = at(20);
  rollout.weight_since = at(30);
  rollout.unready_since = at(31);
  rollout.paused_by = "ada";
  rollout.reason = "Paused";
  rollout.message = "because";
  rollout.analysis = "statistics";
  rollout.evidence_next = 77;
  rollout.stable_crashes = 1;
  rollout.candidate_crashes = 2;
  rollout.agreements = rollout::Agreements().save();
  service.rollout = rollout;
  return service;
}

Event an_event(std::string reason) {
  return {.time = at(40),
          .service = "story",
          .version = "v2",
          .reason = std::move(reason),
          .message = "why",
          .warning = true};
}

class StoreTest : public testing::Test {
 protected:
  StoreTest() : folder_(*TemporaryDirectory::create("store")) {}
  std::unique_ptr<Store> open(const StoreLimits& limits = {}) {
    auto store = open_store(folder_.path() / "control.db", limits);
    EXPECT_TRUE(store.has_value()) << store.error().message;
    return std::move(*store);
  }
  static std::vector<std::string> reasons(Store& store, const EventQuery& query) {
    std::vector<std::string> found;
    const auto events = store.events(query);
    for (const Event& event : *events) found.push_back(event.reason);
    return found;
  }
  TemporaryDirectory folder_;
};

TEST_F(StoreTest, GivesBackWhatWasCommitted) {
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

TEST_F(StoreTest, ACommitReplacesTheRecordAndKeepsTheHistory) {
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

TEST_F(StoreTest, StatisticsAreWrittenAlone) {
  const auto store = open();
  ServiceRecord service = a_service();
  ASSERT_TRUE(store->commit(service, {}));
  service.rollout->analysis = "more";
  service.rollout->evidence_next = 99;
  service.rollout->candidate_crashes = 5;
  RolloutRecord other = *service.rollout;
  other.weight = 90;
  ASSERT_TRUE(store->save_evidence("story", other));
  EXPECT_EQ(store->load()->front(), service);
}

TEST_F(StoreTest, AnErasedServiceLeavesItsEvents) {
  const auto store = open();
  const Event created = an_event("Created");
  const Event deleted = an_event("Deleted");
  ASSERT_TRUE(store->commit(a_service(), {&created, 1}));
  ASSERT_TRUE(store->erase("story", {&deleted, 1}));
  EXPECT_TRUE(store->load()->empty());
  EXPECT_TRUE(store->history("story", 10)->empty());
  EXPECT_THAT(reasons(*store, {}), ElementsAre("Created", "Deleted"));
}

TEST_F(StoreTest, EventsAreAskedForByServiceAndPlace) {
  const auto store = open();
  for (int i = 1; i <= 4; ++i) {
    Event event = an_event("E" + std::to_string(i));
    event.service = i == 2 ? "other" : "story";
    ServiceRecord service;
    service.name = event.service;
    ASSERT_TRUE(store->commit(service, {&event, 1}));
  }
  EXPECT_THAT(reasons(*store, {.service = {}, .after = 0, .most = 2}), ElementsAre("E3", "E4"));
  EXPECT_THAT(reasons(*store, {.service = {}, .after = 1, .most = 2}), ElementsAre("E2", "E3"));
  EXPECT_THAT(reasons(*store, {.service = "other", .after = 0, .most = 9}), ElementsAre("E2"));
}

TEST_F(StoreTest, EventsAndRolloutsAreBounded) {
  const auto store = open({.events = 3, .rollouts_of_service = 2});
  ServiceRecord service = a_service();
  for (int i = 1; i <= 6; ++i) {
    const Event event = an_event("E" + std::to_string(i));
    service.rollout->number = i;
    ASSERT_TRUE(store->commit(service, {&event, 1}));
  }
  EXPECT_THAT(reasons(*store, {}), ElementsAre("E4", "E5", "E6"));
  EXPECT_EQ(store->history("story", 10)->size(), 2U);
}

TEST_F(StoreTest, SaysThatAStateIsOfANewerSerin) {
  ASSERT_TRUE(open()->commit(a_service(), {}));
  {
    constexpr std::array<std::string_view, 1> kNone{""};
    auto database = Database::open(folder_.path() / "control.db", kNone, 1);
    ASSERT_TRUE(database.has_value());
    ASSERT_TRUE(database->run("UPDATE rollouts SET phase = 'dancing'"));
  }
  const auto loaded = open()->load();
  ASSERT_FALSE(loaded.has_value());
  EXPECT_EQ(loaded.error().code, Code::kDataLoss);
  EXPECT_THAT(loaded.error().message, testing::HasSubstr("dancing"));
}

}  // namespace
}  // namespace serin::control
