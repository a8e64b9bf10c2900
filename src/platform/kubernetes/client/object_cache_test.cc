// SPDX-License-Identifier: Apache-2.0
#include "platform/kubernetes/client/object_cache.h"

#include <gmock/gmock.h>

namespace serin::platform::kubernetes {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;
using testing::UnorderedElementsAre;

json::value pod(const std::string& name, int version, const std::string& uid = "u") {
  return {{"metadata",
           {{"name", name},
            {"namespace", "n"},
            {"uid", uid},
            {"resourceVersion", std::to_string(version)}}}};
}
// "a 1>2", "+a 1", "-a 1"
std::vector<std::string> shown(const std::vector<Change>& changes) {
  std::vector<std::string> texts;
  for (const auto& [before, after] : changes) {
    const std::string name = key_of(after ? *after : *before).name;
    const std::string old = before ? std::string(version_of(*before)) : "";
    const std::string now = after ? std::string(version_of(*after)) : "";
    texts.push_back(!before  ? "+" + name + " " + now
                    : !after ? "-" + name + " " + old
                             : name + " " + old + ">" + now);
  }
  return texts;
}

TEST(ObjectCache, SaysWhatEachEventChanges) {
  ObjectCache cache;
  EXPECT_THAT(shown(cache.put(pod("a", 1))), ElementsAre("+a 1"));
  EXPECT_THAT(shown(cache.put(pod("a", 2))), ElementsAre("a 1>2"));
  EXPECT_THAT(shown(cache.put(pod("a", 2))), IsEmpty());
  EXPECT_THAT(shown(cache.erase(pod("a", 3))), ElementsAre("-a 3"));
  EXPECT_THAT(shown(cache.erase(pod("a", 3))), IsEmpty());
  EXPECT_EQ(cache.size(), 0u);
}

TEST(ObjectCache, FindsWhatWentAwayAndWhatCameWhileNobodyWatched) {
  ObjectCache cache;
  cache.replace({pod("a", 1), pod("b", 1), pod("c", 1)});
  EXPECT_THAT(shown(cache.replace({pod("a", 1), pod("b", 2), pod("d", 3)})),
              UnorderedElementsAre("b 1>2", "+d 3", "-c 1"));
  EXPECT_EQ(cache.size(), 3u);
  EXPECT_EQ(cache.find({"n", "c"}), nullptr);
  EXPECT_EQ(version_of(*cache.find({"n", "b"})), "2");
  EXPECT_EQ(cache.all().size(), 3u);
}

TEST(ObjectCache, TellsAnObjectThatWasMadeAgainAsGoneAndNew) {
  ObjectCache cache;
  cache.put(pod("a", 1, "first"));
  EXPECT_THAT(shown(cache.put(pod("a", 5, "second"))), ElementsAre("-a 1", "+a 5"));
  EXPECT_THAT(shown(cache.replace({pod("a", 9, "third")})), ElementsAre("-a 5", "+a 9"));
}

TEST(ObjectCache, IsNotEmptiedByTheEndOfAnEarlierObjectOfThatName) {
  ObjectCache cache;
  cache.put(pod("a", 5, "second"));
  EXPECT_THAT(shown(cache.erase(pod("a", 4, "first"))), IsEmpty());
  EXPECT_NE(cache.find({"n", "a"}), nullptr);
}

TEST(ObjectCache, LeavesWhoHoldsAnObjectWithWhatItWas) {
  ObjectCache cache;
  cache.put(pod("a", 1));
  const Object held = cache.find({"n", "a"});
  cache.put(pod("a", 2));
  EXPECT_EQ(version_of(*held), "1");
}

// What the values made in it hold at this moment. What a process has resident says less: allocators
// and sanitizers add their own.
class CountingMemory final : public json::memory_resource {
 public:
  std::size_t held() const { return held_; }

 private:
  void* do_allocate(std::size_t bytes, std::size_t alignment) override {
    held_ += bytes;
    return ::operator new(bytes, std::align_val_t(alignment));
  }
  void do_deallocate(void* place, std::size_t bytes, std::size_t alignment) override {
    held_ -= bytes;
    ::operator delete(place, std::align_val_t(alignment));
  }
  bool do_is_equal(const json::memory_resource& other) const noexcept override {
    return this == &other;
  }

  std::size_t held_ = 0;
};

// As an API server has a pod of one container, without managedFields: 3 kB.
json::value whole_pod(int number, int version) {
  const std::string name = "storyteller-v2-5d8f7c9b6d-" + std::to_string(number);
  const json::object probe{
      {"httpGet", {{"path", "/health/ready"}, {"port", 5000}, {"scheme", "HTTP"}}},
      {"periodSeconds", 10},
      {"timeoutSeconds", 1},
      {"failureThreshold", 3},
      {"successThreshold", 1}};
  json::array conditions;
  for (const char* type :
       {"PodReadyToStartContainers", "Initialized", "Ready", "ContainersReady", "PodScheduled"})
    conditions.push_back({{"type", type},
                          {"status", "True"},
                          {"lastProbeTime", nullptr},
                          {"lastTransitionTime", "2026-11-29T08:53:37Z"}});
  const json::object container{
      {"name", "worker"},
      {"image", "registry.example/serin/storyteller:v2"},
      {"args", {"serve", "/package", "--listen", ":5000"}},
      {"env", {{{"name", "A"}, {"value", "b"}}, {{"name", "C"}, {"value", "d"}}}},
      {"ports", {{{"name", "http"}, {"containerPort", 5000}, {"protocol", "TCP"}}}},
      {"resources",
       {{"requests", {{"cpu", "2"}, {"memory", "4Gi"}}}, {"limits", {{"memory", "4Gi"}}}}},
      {"volumeMounts",
       {{{"name", "package"}, {"mountPath", "/package"}},
        {{"name", "token"}, {"mountPath", "/var/run/secrets/kubernetes.io/serviceaccount"}}}},
      {"startupProbe", probe},
      {"livenessProbe", probe},
      {"readinessProbe", probe},
      {"imagePullPolicy", "IfNotPresent"},
      {"securityContext", {{"runAsNonRoot", true}, {"readOnlyRootFilesystem", true}}}};
  json::object made = pod(name, version).as_object();
  made["apiVersion"] = "v1";
  made["kind"] = "Pod";
  made["metadata"].as_object()["labels"] = {{"app.kubernetes.io/name", "storyteller"},
                                            {"serin.dev/version", "v2"},
                                            {"pod-template-hash", "5d8f7c9b6d"}};
  made["metadata"].as_object()["ownerReferences"] = {
      {{"apiVersion", "apps/v1"}, {"kind", "ReplicaSet"}, {"name", name}, {"uid", name}}};
  made["spec"] = {{"containers", {container}},
                  {"nodeName", "node-17"},
                  {"serviceAccountName", "storyteller"},
                  {"tolerations",
                   {{{"key", "node.kubernetes.io/not-ready"}, {"effect", "NoExecute"}},
                    {{"key", "node.kubernetes.io/unreachable"}, {"effect", "NoExecute"}}}},
                  {"volumes", {{{"name", "package"}, {"image", {{"reference", "r"}}}}}}};
  made["status"] = {{"phase", "Running"},
                    {"conditions", std::move(conditions)},
                    {"hostIP", "10.0.0.17"},
                    {"podIP", "10.1.0." + std::to_string(number % 250)},
                    {"containerStatuses",
                     {{{"name", "worker"},
                       {"ready", true},
                       {"restartCount", 0},
                       {"imageID", "registry.example/serin/storyteller@sha256:0123456789abcdef"},
                       {"state", {{"running", {{"startedAt", "2026-11-29T08:53:37Z"}}}}}}}}};
  return made;
}

TEST(ObjectCache, FindsThoseOfANamespaceByName) {
  ObjectCache cache;
  const auto put = [&](const char* ns, const char* name) {
    json::value made = pod(name, 1);
    made.as_object()["metadata"].as_object()["namespace"] = ns;
    cache.put(std::move(made));
  };
  put("shop", "b");
  put("shop", "a");
  put("shop-2", "c");
  put("bank", "d");
  std::vector<std::string> found;
  for (const Object& object : cache.in("shop")) found.push_back(key_of(*object).name);
  EXPECT_THAT(found, ElementsAre("a", "b"));
  EXPECT_THAT(cache.in("sho"), IsEmpty());
}

// What the operator may have for everything is 150 MB, for 1,000 services with 3,000 pods. A pod is
// 3 kB of JSON, and 7.6 kB once it is read.
TEST(ObjectCache, HoldsThreeThousandPodsOnceInAFractionOfTheOperatorsMemory) {
  CountingMemory memory;
  ObjectCache cache;
  for (const int version : {1, 2})
    for (int i = 0; i < 3000; ++i)
      cache.put(json::parse(json::serialize(whole_pod(i, version)), &memory));
  EXPECT_EQ(cache.size(), 3000u);
  EXPECT_GT(memory.held(), 3000u * 3000u) << "the cache holds copies, which are not counted";
  EXPECT_LT(memory.held(), 30u << 20);
}

TEST(Objects, AreNamedByWhatStandsInThemAndNothingElse) {
  EXPECT_EQ(to_string(ObjectKey{"n", "a"}), "n/a");
  EXPECT_EQ(to_string(ObjectKey{"", "a"}), "a");
  for (const json::value& none :
       {json::value(), json::value(7), json::value{{"metadata", 7}},
        json::value{{"metadata", {{"name", 7}, {"namespace", json::array()}}}}})
    EXPECT_EQ(key_of(none), ObjectKey());
}

}  // namespace
}  // namespace serin::platform::kubernetes
