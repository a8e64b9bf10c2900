// SPDX-License-Identifier: Apache-2.0
#include "cluster/operator.h"

#include <gmock/gmock.h>

#include <algorithm>
#include <thread>

#include "base/eventually_for_test.h"
#include "base/log.h"
#include "platform/fake_for_test.h"
#include "platform/kubernetes/client/api_server_for_test.h"

namespace serin::cluster {
namespace {

namespace k8s = platform::kubernetes;
using testing::HasSubstr;

const std::string kServices = "/apis/serin.dev/v1alpha1/namespaces/shop/generativeservices/";

json::object service(const std::string& name, const std::string& model, int generation = 1) {
  return {{"apiVersion", "serin.dev/v1alpha1"},
          {"kind", "GenerativeService"},
          {"metadata", {{"name", name}, {"generation", generation}}},
          {"spec", {{"model", model}}}};
}

// An API server, operators on it, and platforms in memory that stay when an operator goes.
class Cluster {
 public:
  Cluster() { log::configure({log::Level::kError, log::Form::kAuto}); }

  MakePlatform platforms() {
    return [this](const std::string&) -> Result<PlatformOfNamespace> {
      auto made = std::make_unique<platform::FakePlatform>(clock);
      for (const char* name : {"oci://r/story:1", "oci://r/story:2"})
        made->add_package(name, {.ready_after = {}, .crashes = false});
      return PlatformOfNamespace{std::move(made), [] { return Status(); }};
    };
  }

  k8s::ApiServerForTest server;
  ManualClock clock;  // of the platforms
};

// One operator, as a process would be.
class Running {
 public:
  Running(Cluster& cluster, std::string identity)
      : api_(*k8s::Api::create(cluster.server.access())),
        operator_(*api_,
                  {.ns = "serin-system",
                   .identity = std::move(identity),
                   .build = "test",
                   .refresh_every = std::chrono::milliseconds(50)},
                  Clock::real()),
        thread_([this, &cluster](const std::stop_token& stop) {
          ended_ = operator_.run(cluster.platforms(), stop);
        }) {}
  const Operator& get() const { return operator_; }

 private:
  std::unique_ptr<k8s::Api> api_;
  Operator operator_;
  Status ended_;
  std::jthread thread_;
};

class OperatorTest : public testing::Test {
 protected:
  json::value resource(const std::string& name) const {
    const auto stored = cluster_.server.stored(kServices + name);
    return stored ? json::value(*stored) : json::value();
  }
  std::string condition(const std::string& name, std::string_view type,
                        std::string_view field = "/status") const {
    const json::value stored = resource(name);
    const json::value* all = value_at(stored, "/status/conditions");
    if (all == nullptr) return {};
    for (const json::value& one : all->as_array())
      if (text_at(one, "/type") == type) return std::string(text_at(one, field));
    return {};
  }
  bool is_ready(const std::string& name) const { return condition(name, "Ready") == "True"; }
  // As `kubectl apply` changes a resource: what the operator wrote stays.
  void change(const std::string& name, const std::function<void(json::object&)>& how) {
    json::object stored = *cluster_.server.stored(kServices + name);
    how(stored);
    cluster_.server.put(kServices + name, std::move(stored));
  }
  bool has_event(std::string_view reason) const {
    return std::ranges::any_of(cluster_.server.asked(), [&](const k8s::Asked& asked) {
      return asked.method == "POST" && asked.target.find("/events") != std::string::npos &&
             asked.body.find(reason) != std::string::npos;
    });
  }

  Cluster cluster_;
};

TEST_F(OperatorTest, BringsAServiceUpAndSaysSo) {
  cluster_.server.put(kServices + "story", service("story", "oci://r/story:1"));
  const Running running(cluster_, "one");
  ASSERT_TRUE(eventually([&] { return is_ready("story"); }));
  const json::value stored = resource("story");
  EXPECT_EQ(text_at(stored, "/status/stable"), "v1");
  EXPECT_EQ(text_at(stored, "/status/url"), "http://story.shop.svc");
  EXPECT_EQ(text_at(stored, "/metadata/finalizers/0"), kFinalizer);
  EXPECT_TRUE(eventually([&] { return has_event("VersionReady") || has_event("Serving"); }));
}

TEST_F(OperatorTest, ANewPackageBeginsARolloutThatTheNextOperatorGoesOnWith) {
  cluster_.server.put(kServices + "story", service("story", "oci://r/story:1"));
  {
    const Running running(cluster_, "one");
    ASSERT_TRUE(eventually([&] { return is_ready("story"); }));
    change("story", [](json::object& stored) {
      stored["spec"] = {{"model", "oci://r/story:2"}};
      stored["metadata"].as_object()["generation"] = 2;
    });
    ASSERT_TRUE(
        eventually([&] { return text_at(resource("story"), "/status/candidate") == "v2"; }));
  }
  const Running next(cluster_, "two");
  // Its candidate is ready, in the eyes of this operator too.
  ASSERT_TRUE(eventually([&] {
    const json::value stored = resource("story");
    const json::value* weight = value_at(stored, "/status/weight");
    return weight != nullptr && *weight == 10;
  }));
  change("story", [](json::object& stored) {
    stored["metadata"].as_object()["annotations"] = {{kVerbAnnotation, "promote"}};
  });
  ASSERT_TRUE(eventually([&] { return text_at(resource("story"), "/status/stable") == "v2"; }));
  EXPECT_EQ(text_at(resource("story"), "/metadata/annotations/serin.dev~1rollout"), "");
  EXPECT_EQ(text_at(resource("story"), "/status/rollout/ending"), "promoted");
}

TEST_F(OperatorTest, SaysWhatIsWrongWithAManifestAndTakesTheMendedOne) {
  cluster_.server.put(kServices + "story", service("story", "story:v1"));
  const Running running(cluster_, "one");
  ASSERT_TRUE(eventually([&] { return condition("story", "Accepted") == "False"; }));
  EXPECT_EQ(condition("story", "Accepted", "/reason"), "Invalid");
  EXPECT_THAT(condition("story", "Accepted", "/message"),
              HasSubstr("on a cluster a worker can fetch oci://"));
  EXPECT_TRUE(eventually([&] { return has_event("NotAccepted"); }));
  change("story", [](json::object& stored) {
    stored["spec"] = {{"model", "oci://r/story:1"}};
    stored["metadata"].as_object()["generation"] = 2;
  });
  EXPECT_TRUE(eventually([&] { return is_ready("story"); }));
}

TEST_F(OperatorTest, SaysThatAVerbCannotBeDone) {
  cluster_.server.put(kServices + "story", service("story", "oci://r/story:1"));
  const Running running(cluster_, "one");
  ASSERT_TRUE(eventually([&] { return is_ready("story"); }));
  change("story", [](json::object& stored) {
    stored["metadata"].as_object()["annotations"] = {{kVerbAnnotation, "pauze"}};
  });
  EXPECT_TRUE(eventually([&] { return has_event("CannotDo"); }));
  EXPECT_EQ(text_at(resource("story"), "/metadata/annotations/serin.dev~1rollout"), "");
}

TEST_F(OperatorTest, HoldsAServiceThatIsDeletedUntilNothingOfItRuns) {
  cluster_.server.put(kServices + "story", service("story", "oci://r/story:1"));
  const Running running(cluster_, "one");
  ASSERT_TRUE(eventually([&] { return is_ready("story"); }));
  const std::string record = "/api/v1/namespaces/shop/configmaps/story.serin-record";
  ASSERT_TRUE(cluster_.server.stored(record));
  change("story", [](json::object& stored) {
    stored["metadata"].as_object()["deletionTimestamp"] = "2026-11-29T20:00:00Z";
  });
  ASSERT_TRUE(eventually([&] {
    const json::value stored = resource("story");
    const json::value* finalizers = value_at(stored, "/metadata/finalizers");
    return finalizers == nullptr || finalizers->as_array().empty();
  }));
  EXPECT_FALSE(cluster_.server.stored(record));
}

TEST_F(OperatorTest, OneOfTwoLeads) {
  const Running one(cluster_, "one");
  ASSERT_TRUE(eventually([&] { return one.get().leading(); }));
  const Running two(cluster_, "two");
  cluster_.server.put(kServices + "story", service("story", "oci://r/story:1"));
  ASSERT_TRUE(eventually([&] { return is_ready("story"); }));
  EXPECT_FALSE(two.get().leading());
}

}  // namespace
}  // namespace serin::cluster
