// SPDX-License-Identifier: Apache-2.0
#include "cluster/cluster_store.h"

#include <gmock/gmock.h>

#include "base/log.h"
#include "control/store_contract_for_test.h"
#include "platform/kubernetes/client/api_server_for_test.h"
#include "platform/kubernetes/client/object.h"

namespace serin::cluster {
namespace {

namespace k8s = platform::kubernetes;
using control::a_service;
using control::an_event;
using control::StoreContract;
using testing::ElementsAre;
using testing::HasSubstr;

const std::string kRecord = "/api/v1/namespaces/shop/configmaps/story.serin-record";

// A cluster whose API server keeps what stores write.
class Cluster {
 public:
  Cluster() {
    log::configure({log::Level::kError, log::Form::kAuto});
    auto api = k8s::Api::create(server.access());
    EXPECT_TRUE(api.has_value()) << api.error().message;
    api_ = *std::move(api);
  }
  std::unique_ptr<ClusterStore> open(const std::string& writer = "one",
                                     const control::StoreLimits& limits = {}) {
    auto store = ClusterStore::open(
        *api_,
        {.ns = "shop", .writer = writer, .leads = [this] { return leads; }, .limits = limits},
        [this](const control::Event& event) { announced.push_back(event.reason); });
    EXPECT_TRUE(store.has_value()) << store.error().message;
    return store ? *std::move(store) : nullptr;
  }
  k8s::ApiServerForTest server;
  std::vector<std::string> announced;
  bool leads = true;

 private:
  std::unique_ptr<k8s::Api> api_;
};

class ClusterWorld final : public control::StoreWorld {
 public:
  std::unique_ptr<control::Store> open(const control::StoreLimits& limits) override {
    return cluster_.open("one", limits);
  }

 private:
  Cluster cluster_;
};

INSTANTIATE_TEST_SUITE_P(Cluster, StoreContract,
                         testing::Values(control::MakeStoreWorld{
                             "Cluster", [] { return std::make_unique<ClusterWorld>(); }}));

TEST(ClusterStore, TellsEventsOnceTheyAreStored) {
  Cluster cluster;
  const auto store = cluster.open();
  const control::Event first = an_event("First");
  ASSERT_TRUE(store->commit(a_service(), {&first, 1}));
  cluster.server.answer_next("PUT", {k8s::refusal(403, "Forbidden", "no such rule")});
  const control::Event second = an_event("Second");
  const Status refused = store->commit(a_service(), {&second, 1});
  ASSERT_FALSE(refused);
  EXPECT_THAT(refused.error().message, HasSubstr("no such rule"));
  EXPECT_THAT(cluster.announced, ElementsAre("First"));
  EXPECT_THAT(control::reasons(*store, {}), ElementsAre("First"));
}

TEST(ClusterStore, LeavesNothingOfAServiceThatNobodyIsToBeToldOf) {
  Cluster cluster;
  const auto store = cluster.open();
  ASSERT_TRUE(store->commit(a_service(), {}));
  ASSERT_TRUE(cluster.server.stored(kRecord));
  ASSERT_TRUE(store->erase("story", {}));
  EXPECT_FALSE(cluster.server.stored(kRecord));
}

TEST(ClusterStore, GoesOnFromAWriteWhoseAnswerWasLost) {
  Cluster cluster;
  const auto store = cluster.open();
  control::ServiceRecord service = a_service();
  ASSERT_TRUE(store->commit(service, {}));
  // It was stored, and the answer did not come.
  json::object stored = *cluster.server.stored(kRecord);
  cluster.server.put(kRecord, stored);
  service.generation = 9;
  ASSERT_TRUE(store->commit(service, {}));
  EXPECT_FALSE(store->stale());
  EXPECT_EQ(cluster.open()->load()->front().generation, 9);
}

TEST(ClusterStore, WritesAgainWhatSomebodyTookAway) {
  Cluster cluster;
  const auto store = cluster.open();
  ASSERT_TRUE(store->commit(a_service(), {}));
  cluster.server.erase(kRecord);
  ASSERT_TRUE(store->commit(a_service(), {}));
  EXPECT_TRUE(cluster.server.stored(kRecord));
}

TEST(ClusterStore, StopsWhereAnotherWrites) {
  Cluster cluster;
  const auto old = cluster.open("old");
  control::ServiceRecord service = a_service();
  ASSERT_TRUE(old->commit(service, {}));
  const auto next = cluster.open("next");
  service.generation = 7;
  ASSERT_TRUE(next->commit(service, {}));
  service.generation = 8;
  const Status refused = old->commit(service, {});
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, Code::kAborted);
  EXPECT_THAT(refused.error().message, HasSubstr("was written by next"));
  EXPECT_TRUE(old->stale());
  EXPECT_FALSE(old->save_evidence("story", *service.rollout));
  EXPECT_EQ(cluster.open()->load()->front().generation, 7);
}

TEST(ClusterStore, WritesNothingOnceItDoesNotLead) {
  Cluster cluster;
  const auto store = cluster.open();
  cluster.leads = false;
  const Status refused = store->commit(a_service(), {});
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, Code::kAborted);
  EXPECT_FALSE(cluster.server.stored(kRecord));
}

TEST(ClusterStore, NamesTheConfigMapThatCannotBeRead) {
  Cluster cluster;
  ASSERT_TRUE(cluster.open()->commit(a_service(), {}));
  json::object stored = *cluster.server.stored(kRecord);
  stored["data"].as_object()["ledger.json"] = R"({"service": {"name": 7}})";
  cluster.server.put(kRecord, stored);
  auto api = k8s::Api::create(cluster.server.access());
  const auto opened = ClusterStore::open(**api, {.ns = "shop", .writer = "one", .leads = {}},
                                         [](const control::Event&) {});
  ASSERT_FALSE(opened.has_value());
  EXPECT_EQ(opened.error().code, Code::kDataLoss);
  EXPECT_THAT(
      opened.error().message,
      HasSubstr("ConfigMap shop/story.serin-record: ledger.json: service: name is no text"));
}

}  // namespace
}  // namespace serin::cluster
