// SPDX-License-Identifier: Apache-2.0
// What kubelets and schedulers say of pods, word for word as a cluster has it, and what is made of
// it.
#include "platform/kubernetes/platform/replicas.h"

#include <gmock/gmock.h>

namespace serin::platform::kubernetes {
namespace {

using testing::IsEmpty;
using testing::SizeIs;

json::value parsed(std::string_view text) {
  const auto value = parse_json(text);
  EXPECT_TRUE(value) << text;
  return value ? *value : json::value(json::object());
}

json::value pod_with(std::string_view status, std::string_view name = "a-v1-1") {
  json::value pod = parsed(R"({"metadata": {"labels": {"serin.dev/version": "v1"},
                               "annotations": {"serin.dev/package": "sha256:1"}}})");
  json::object& metadata = pod.as_object()["metadata"].as_object();
  metadata["name"] = name;
  metadata["uid"] = "uid-" + std::string(name);
  pod.as_object()["status"] = parsed(status);
  return pod;
}

struct Case {
  const char* about;
  const char* status;
  ReplicaState state;
  const char* message;
  std::uint64_t ends = 0;
};

const Case kCases[] = {
    {"nobody has looked at it yet", R"({"phase": "Pending"})", ReplicaState::kStarting, ""},
    {"no node has room",
     R"({"phase": "Pending", "conditions": [{"type": "PodScheduled", "status": "False",
         "reason": "Unschedulable", "message": "0/3 nodes are available: 3 Insufficient nvidia.com/gpu."}]})",
     ReplicaState::kNoRoom, "0/3 nodes are available: 3 Insufficient nvidia.com/gpu."},
    {"somebody holds it back",
     R"({"phase": "Pending", "conditions": [{"type": "PodScheduled", "status": "False",
         "reason": "SchedulingGated", "message": "Scheduling is blocked due to non-empty scheduling gates"}]})",
     ReplicaState::kStarting, "Scheduling is blocked due to non-empty scheduling gates"},
    {"its node makes it",
     R"({"phase": "Pending", "containerStatuses": [{"name": "worker", "restartCount": 0,
         "state": {"waiting": {"reason": "ContainerCreating"}}}]})",
     ReplicaState::kStarting, "ContainerCreating"},
    {"its image cannot be had",
     R"({"phase": "Pending", "containerStatuses": [{"name": "worker", "restartCount": 0, "state": {
         "waiting": {"reason": "ImagePullBackOff", "message": "Back-off pulling image \"x:1\""}}}]})",
     ReplicaState::kBackoff, "ImagePullBackOff: Back-off pulling image \"x:1\""},
    {"a Secret is missing",
     R"({"phase": "Pending", "containerStatuses": [{"name": "worker", "restartCount": 0, "state": {
         "waiting": {"reason": "CreateContainerConfigError", "message": "secret \"s3\" not found"}}}]})",
     ReplicaState::kBackoff, "CreateContainerConfigError: secret \"s3\" not found"},
    {"it starts",
     R"({"phase": "Running", "conditions": [{"type": "Ready", "status": "False"}],
         "containerStatuses": [{"name": "worker", "restartCount": 0, "started": false,
         "state": {"running": {}}}]})",
     ReplicaState::kStarting, ""},
    {"it serves",
     R"({"phase": "Running", "conditions": [{"type": "Ready", "status": "True"}],
         "containerStatuses": [{"name": "worker", "restartCount": 0, "started": true,
         "state": {"running": {}}}]})",
     ReplicaState::kReady, ""},
    {"it cannot serve any more",
     R"({"phase": "Running", "conditions": [{"type": "Ready", "status": "False",
         "reason": "ContainersNotReady", "message": "containers with unready status: [worker]"}],
         "containerStatuses": [{"name": "worker", "restartCount": 2, "started": true,
         "state": {"running": {}}, "lastState": {"terminated": {"exitCode": 1}}}]})",
     ReplicaState::kUnready, "ContainersNotReady: containers with unready status: [worker]", 2},
    {"it ended a moment ago",
     R"({"phase": "Running", "containerStatuses": [{"name": "worker", "restartCount": 0,
         "state": {"terminated": {"reason": "Error", "exitCode": 1,
                                  "message": "loading\ncannot read weights\n"}}}]})",
     ReplicaState::kBackoff, "cannot read weights", 1},
    {"it had too little memory, once",
     R"({"phase": "Running", "containerStatuses": [{"name": "worker", "restartCount": 1,
         "state": {"waiting": {"reason": "CrashLoopBackOff"}},
         "lastState": {"terminated": {"reason": "OOMKilled", "exitCode": 137}}}]})",
     ReplicaState::kBackoff, "OOMKilled: exit code 137", 2},
    {"it ends again and again",
     R"({"phase": "Running", "containerStatuses": [{"name": "worker", "restartCount": 4,
         "state": {"waiting": {"reason": "CrashLoopBackOff"}},
         "lastState": {"terminated": {"reason": "Error", "exitCode": 3,
             "startedAt": "2026-11-29T08:00:00Z", "finishedAt": "2026-11-29T08:00:20Z"}}}]})",
     ReplicaState::kCrashLoop, "Error: exit code 3", 5},
    {"it ends now and then",
     R"({"phase": "Running", "containerStatuses": [{"name": "worker", "restartCount": 4,
         "state": {"waiting": {"reason": "CrashLoopBackOff"}},
         "lastState": {"terminated": {"reason": "Error", "exitCode": 3,
             "startedAt": "2026-11-28T08:00:00Z", "finishedAt": "2026-11-29T08:00:00Z"}}}]})",
     ReplicaState::kBackoff, "Error: exit code 3", 5},
    {"a mesh's container is not the worker",
     R"({"phase": "Running", "conditions": [{"type": "Ready", "status": "True"}],
         "containerStatuses": [{"name": "istio-proxy", "restartCount": 7, "state": {"running": {}}},
         {"name": "worker", "restartCount": 0, "started": true, "state": {"running": {}}}]})",
     ReplicaState::kReady, ""},
    {"what it says makes no sense",
     R"({"phase": 4, "conditions": {}, "containerStatuses": [7, {"name": "worker",
         "restartCount": "x", "state": [], "started": "yes"}]})",
     ReplicaState::kStarting, ""},
};

TEST(Replica, IsWhatTheClusterSaysOfItsPod) {
  for (const Case& one : kCases) {
    SCOPED_TRACE(one.about);
    const json::value pod = pod_with(one.status);
    const ReplicaStatus status = replica_of(pod);
    EXPECT_EQ(status.id, "a-v1-1");
    EXPECT_EQ(name_of(status.state), name_of(one.state));
    EXPECT_EQ(status.message, one.message);
    EXPECT_EQ(ends_of(pod), one.ends);
  }
}

TEST(Replica, StopsWhateverElseIsSaidOfItOnceItIsBeingDeleted) {
  for (const Case& one : kCases) {
    SCOPED_TRACE(one.about);
    json::value pod = pod_with(one.status);
    pod.as_object()["metadata"].as_object()["deletionTimestamp"] = "2026-11-29T08:00:00Z";
    EXPECT_EQ(replica_of(pod).state, ReplicaState::kStopping);
    EXPECT_FALSE(takes_requests(pod));
    EXPECT_EQ(ends_of(pod), replica_of(pod).restarts);  // its end was asked for
  }
}

TEST(EndCount, DoesNotFallWhenAPodGoes) {
  EndCount count;
  EXPECT_EQ(count.take({{"a", 2}, {"b", 1}}), 3U);
  EXPECT_EQ(count.take({{"b", 1}}), 3U);
  EXPECT_EQ(count.take({{"b", 2}, {"c", 1}}), 5U);
  EXPECT_EQ(count.take({{"b", 0}, {"c", 1}}), 5U);  // its kubelet began to count anew
  EXPECT_EQ(count.take({}), 5U);
}

constexpr const char* kReady = R"({"conditions": [{"type": "Ready", "status": "True"}]})";

Object held(json::value value) { return std::make_shared<const json::value>(std::move(value)); }

Object deployment(std::string_view more = "{}", std::string_view status = "{}") {
  json::value made = parsed(R"({"metadata": {"name": "a-v1", "labels": {"serin.dev/version": "v1"},
      "annotations": {"serin.dev/package": "sha256:1"}}, "spec": {"replicas": 3}})");
  const json::value added = parsed(more);
  for (const auto& field : added.as_object())
    made.as_object()["metadata"].as_object()[field.key()] = field.value();
  made.as_object()["status"] = parsed(status);
  return held(std::move(made));
}

TEST(Versions, AreWhatIsWantedAlsoBeforeTheClusterShowsIt) {
  std::map<std::string, EndCount> ends;
  const auto versions = versions_of({{"v2", {"sha256:2", 2}}}, {}, {}, ends);
  ASSERT_THAT(versions, SizeIs(1));
  EXPECT_EQ(versions[0].label, "v2");
  EXPECT_EQ(versions[0].digest, "sha256:2");
  EXPECT_EQ(versions[0].wanted, 2);
  EXPECT_THAT(versions[0].replicas, IsEmpty());
}

TEST(Versions, ThatNobodyHasAskedForYetAreWhatTheirDeploymentsSay) {
  std::map<std::string, EndCount> ends;
  const auto versions = versions_of({}, {deployment()}, {held(pod_with(kReady))}, ends);
  ASSERT_THAT(versions, SizeIs(1));
  EXPECT_EQ(versions[0].wanted, 3);
  EXPECT_EQ(versions[0].digest, "sha256:1");
  EXPECT_EQ(versions[0].ready(), 1);
}

TEST(Versions, AreThereUntilTheirLastPodIsGone) {
  std::map<std::string, EndCount> ends;
  const Object going = deployment(R"({"deletionTimestamp": "2026-11-29T08:00:00Z"})");
  EXPECT_EQ(versions_of({}, {going}, {}, ends).at(0).wanted, 0);
  const auto versions = versions_of({}, {}, {held(pod_with(kReady))}, ends);
  ASSERT_THAT(versions, SizeIs(1));
  EXPECT_EQ(versions[0].wanted, 0);
  EXPECT_EQ(versions[0].replicas.at(0).state, ReplicaState::kStopping);
  EXPECT_THAT(versions_of({}, {}, {}, ends), IsEmpty());
}

TEST(Versions, AreNotReadyByPodsOfAnEarlierPackage) {
  std::map<std::string, EndCount> ends;
  const auto versions =
      versions_of({{"v1", {"sha256:2", 1}}}, {deployment()}, {held(pod_with(kReady))}, ends);
  EXPECT_EQ(versions.at(0).ready(), 0);
}

TEST(Versions, DoNotCountPodsThatWillNotRunAgain) {
  std::map<std::string, EndCount> ends;
  const Object evicted = held(pod_with(R"({"phase": "Failed", "reason": "Evicted"})"));
  const auto versions = versions_of({{"v1", {"sha256:1", 1}}}, {deployment()}, {evicted}, ends);
  EXPECT_THAT(versions.at(0).replicas, IsEmpty());
}

TEST(Versions, SayWhyTheirPodsMayNotBeMade) {
  std::map<std::string, EndCount> ends;
  const auto state_of = [&](std::string_view message) {
    const json::value status{
        {"conditions", json::array{json::object{
                           {"type", "ReplicaFailure"}, {"status", "True"}, {"message", message}}}}};
    const auto versions = versions_of({}, {deployment("{}", json::serialize(status))}, {}, ends);
    EXPECT_EQ(versions.at(0).replicas.at(0).message, message);
    return versions.at(0).replicas.at(0).state;
  };
  EXPECT_EQ(state_of("pods \"a\" is forbidden: exceeded quota: gpus"), ReplicaState::kNoRoom);
  EXPECT_EQ(state_of("pods \"a\" is forbidden: violates PodSecurity"), ReplicaState::kBackoff);
}

TEST(Versions, CountTheEndsOfTheirWorkers) {
  std::map<std::string, EndCount> ends;
  const char* ended = R"({"containerStatuses": [{"name": "worker", "restartCount": 2,
                          "state": {"running": {}}}]})";
  const Object first = held(pod_with(ended, "first")), second = held(pod_with(ended, "second"));
  EXPECT_EQ(versions_of({}, {deployment()}, {first, second}, ends).at(0).crashes, 4U);
  EXPECT_EQ(versions_of({}, {deployment()}, {second}, ends).at(0).crashes, 4U);
  EXPECT_THAT(versions_of({}, {}, {}, ends), IsEmpty());
  EXPECT_EQ(versions_of({}, {deployment()}, {second}, ends).at(0).crashes,
            2U);  // another of its name
}

}  // namespace
}  // namespace serin::platform::kubernetes
