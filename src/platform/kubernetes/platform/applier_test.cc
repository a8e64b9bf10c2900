// SPDX-License-Identifier: Apache-2.0
#include "platform/kubernetes/platform/applier.h"

#include <gmock/gmock.h>

#include "platform/kubernetes/client/api_server_for_test.h"

namespace serin::platform::kubernetes {
namespace {

using namespace std::chrono_literals;

const std::string kPath = "/apis/apps/v1/namespaces/shop/deployments/web";
const Reference kWeb{"apps/v1", "Deployment", "web"};

TEST(Resource, IsCalledAsKubernetesGuesses) {
  const auto path = [](std::string_view version, std::string_view kind) {
    const Resource resource = resource_of(version, kind);
    return resource.group + "/" + resource.version + "/" + resource.plural;
  };
  EXPECT_EQ(path("v1", "Service"), "/v1/services");
  EXPECT_EQ(path("apps/v1", "Deployment"), "apps/v1/deployments");
  EXPECT_EQ(path("networking.k8s.io/v1", "NetworkPolicy"), "networking.k8s.io/v1/networkpolicies");
  EXPECT_EQ(path("autoscaling/v2", "HorizontalPodAutoscaler"),
            "autoscaling/v2/horizontalpodautoscalers");
}

class ApplierTest : public testing::Test {
 protected:
  static json::object web(int replicas = 1) {
    return {{"apiVersion", "apps/v1"},
            {"kind", "Deployment"},
            {"metadata", {{"name", "web"}, {"namespace", "shop"}}},
            {"spec", {{"replicas", replicas}}}};
  }
  void apply(const json::object& object) {
    const Status done = applier_.apply(object);
    EXPECT_TRUE(done) << done.error().message;
  }
  void look() {
    const auto live = server_.stored(kPath);
    const json::value value = live ? json::value(*live) : json::value();
    applier_.look(kWeb, live ? &value : nullptr);
  }
  std::size_t writes() const { return server_.count("PATCH"); }

  ApiServerForTest server_;
  ManualClock clock_;
  std::unique_ptr<Api> api_ = *Api::create(server_.access(), clock_, {.manager = "serin-operator"});
  Applier applier_{*api_, "shop", clock_};
};

TEST_F(ApplierTest, WritesWhatIsNewOrAnotherAndNothingElse) {
  apply(web());
  apply(web());
  EXPECT_EQ(writes(), 1U);
  EXPECT_EQ(server_.asked().back().query("fieldManager"), "serin-operator");
  EXPECT_EQ(server_.asked().back().query("force"), "true");
  apply(web(2));
  EXPECT_EQ(writes(), 2U);
  EXPECT_EQ(server_.stored(kPath)->at("spec").at("replicas"), 2);
}

TEST_F(ApplierTest, WritesAgainWhatOthersHaveChangedOrRemoved) {
  apply(web());
  look();
  apply(web());
  EXPECT_EQ(writes(), 1U);
  json::object changed = *server_.stored(kPath);
  changed["spec"].as_object()["replicas"] = 7;
  server_.put(kPath, changed);
  look();
  apply(web());
  EXPECT_EQ(server_.stored(kPath)->at("spec").at("replicas"), 1);
  look();
  server_.erase(kPath);
  look();
  apply(web());
  EXPECT_TRUE(server_.stored(kPath));
}

TEST_F(ApplierTest, WritesAgainWhatIsRemovedRightAfterAChange) {
  apply(web());
  look();
  json::object changed = *server_.stored(kPath);
  changed["spec"].as_object()["replicas"] = 7;
  server_.put(kPath, changed);
  look();
  apply(web());
  ASSERT_EQ(writes(), 2U);
  // The cache has not shown what was written last, and will not.
  server_.erase(kPath);
  look();
  apply(web());
  EXPECT_EQ(writes(), 3U);
  EXPECT_TRUE(server_.stored(kPath));
}

TEST_F(ApplierTest, DoesNotTakeACacheThatIsBehindForSomebodyWhoRemoves) {
  apply(web());
  applier_.look(kWeb, nullptr);
  apply(web());
  EXPECT_EQ(writes(), 1U);
}

TEST_F(ApplierTest, WritesAgainNowAndThenWhatNobodyWatches) {
  apply(web());
  clock_.advance(11min);
  apply(web());
  EXPECT_EQ(writes(), 2U);
}

TEST_F(ApplierTest, WritesAgainWhatWasNotTaken) {
  server_.answer_next("PATCH", {refusal(422, "Invalid")});
  EXPECT_EQ(applier_.apply(web()).error().code, Code::kInvalidArgument);
  apply(web());
  EXPECT_TRUE(server_.stored(kPath));
}

TEST_F(ApplierTest, ReplacesOnlyTheVersionThatItGoesOnFrom) {
  EXPECT_TRUE(applier_.replace(web(), nullptr));
  const json::value seen = *applier_.get(kWeb);
  EXPECT_TRUE(applier_.replace(web(2), seen));
  EXPECT_EQ(applier_.replace(web(3), seen).error().code, Code::kAborted);
  EXPECT_EQ(server_.stored(kPath)->at("spec").at("replicas"), 2);
}

TEST_F(ApplierTest, RemovesWhatThereIs) {
  apply(web());
  EXPECT_TRUE(applier_.remove(kWeb));
  EXPECT_TRUE(applier_.remove(kWeb));
  EXPECT_FALSE(server_.stored(kPath));
  EXPECT_TRUE(applier_.get(kWeb)->is_null());
  json::object labelled = web();
  labelled["metadata"].as_object()["labels"] = {{"a", "1"}, {"b", "2"}};
  apply(labelled);
  EXPECT_TRUE(applier_.remove_all("apps/v1", "Deployment", "a=1,b=3"));
  EXPECT_TRUE(server_.stored(kPath));
  EXPECT_TRUE(applier_.remove_all("apps/v1", "Deployment", "a=1,b=2"));
  EXPECT_FALSE(server_.stored(kPath));
}

}  // namespace
}  // namespace serin::platform::kubernetes
