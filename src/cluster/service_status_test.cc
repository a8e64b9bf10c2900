// SPDX-License-Identifier: Apache-2.0
#include "cluster/service_status.h"

#include <gmock/gmock.h>

#include <algorithm>
#include <set>

#include "control/record_for_test.h"
#include "platform/kubernetes/client/object.h"
#include "platform/kubernetes/objects/crd.h"

namespace serin::cluster {
namespace {

using control::at;
using platform::ReplicaState;
using platform::ReplicaStatus;
using platform::VersionStatus;
using testing::HasSubstr;
using testing::IsEmpty;

// What of `value` its schema does not know, by path.
void compare(const json::value& value, const json::value& schema, const std::string& path,
             std::vector<std::string>& wrong) {
  const json::object& node = schema.as_object();
  const std::string type(node.at("type").as_string());
  const bool fits = type == "object"    ? value.is_object()
                    : type == "array"   ? value.is_array()
                    : type == "string"  ? value.is_string()
                    : type == "boolean" ? value.is_bool()
                                        : value.is_int64() || value.is_uint64();
  if (!fits) return wrong.push_back(path + " is no " + type);
  if (const json::value* words = node.if_contains("enum")) {
    if (std::ranges::find(words->as_array(), value) == words->as_array().end())
      wrong.push_back(path + " is " + json::serialize(value));
  }
  if (type == "array") {
    for (const json::value& item : value.as_array())
      compare(item, node.at("items"), path + "[]", wrong);
  }
  if (type != "object") return;
  for (const auto& [name, field] : value.as_object()) {
    const json::value* known = node.at("properties").as_object().if_contains(name);
    const std::string below = path + "." + std::string(name);
    known == nullptr ? wrong.push_back(below) : compare(field, *known, below, wrong);
  }
  if (const json::value* required = node.if_contains("required")) {
    for (const json::value& name : required->as_array())
      if (!value.as_object().contains(name.as_string()))
        wrong.push_back(path + " has no " + std::string(name.as_string()));
  }
}

json::object status(const StatusInput& input, const json::value& before = nullptr) {
  json::object made = status_of(input, before);
  std::vector<std::string> wrong;
  compare(made, platform::kubernetes::status_schema(), "status", wrong);
  EXPECT_THAT(wrong, IsEmpty());
  return made;
}

json::object condition(const json::object& status, std::string_view type) {
  for (const json::value& one : status.at("conditions").as_array())
    if (text_at(one, "/type") == type) return one.as_object();
  return {};
}
// "True Serving"
std::string shown(const json::object& status, std::string_view type) {
  const json::value one = condition(status, type);
  return std::string(text_at(one, "/status")) + " " + std::string(text_at(one, "/reason"));
}

ReplicaStatus worker(const std::string& id, ReplicaState state, std::string message = {}) {
  return {.id = id, .state = state, .message = std::move(message)};
}
VersionStatus version(const std::string& label, int wanted, std::vector<ReplicaStatus> replicas) {
  VersionStatus status;
  status.label = label;
  status.wanted = wanted;
  status.replicas = std::move(replicas);
  return status;
}

// "story" with v1 stable and v2 at 20 %.
StatusInput rolling() {
  control::ServiceView view;
  view.record = control::a_service();
  view.record.rollout->paused_by.clear();
  view.record.rollout->reason = "Holding";
  view.record.rollout->message = "waits for evidence";
  view.seen.versions = {
      version("v1", 2, {worker("a", ReplicaState::kReady), worker("b", ReplicaState::kReady)}),
      version("v2", 1, {worker("c", ReplicaState::kStarting)})};
  return {.name_space = "shop",
          .name = "story",
          .generation = 3,
          .accepted = {},
          .view = view,
          .now = at(100)};
}

TEST(ServiceStatus, SaysHowARolloutStands) {
  const json::object made = status(rolling());
  EXPECT_EQ(made.at("observedGeneration"), 3);
  EXPECT_EQ(made.at("url"), "http://story.shop.svc");
  EXPECT_EQ(made.at("replicas"), 3);
  EXPECT_EQ(made.at("readyReplicas"), 2);
  EXPECT_EQ(made.at("selector"), "serin.dev/service=story");
  EXPECT_EQ(made.at("stable"), "v1");
  EXPECT_EQ(made.at("candidate"), "v2");
  EXPECT_EQ(made.at("weight"), 20);
  EXPECT_EQ(made.at("rollout").at("strategy"), "recreate");
  EXPECT_EQ(made.at("versions").at(1).at("readyReplicas"), 0);
  EXPECT_EQ(shown(made, "Accepted"), "True Accepted");
  EXPECT_EQ(shown(made, "Ready"), "True Serving");
  EXPECT_EQ(shown(made, "Progressing"), "True Holding");
  EXPECT_EQ(shown(made, "Available"), "True Serving");
  EXPECT_EQ(text_at(condition(made, "Progressing"), "/message"), "v2 has 20 %: waits for evidence");
}

TEST(ServiceStatus, SaysWhyAServiceIsNotReady) {
  StatusInput input = rolling();
  input.view->seen.versions[0].replicas[1] =
      worker("b", ReplicaState::kNoRoom, "0/3 nodes are available: 3 Insufficient nvidia.com/gpu");
  const json::object made = status(input);
  EXPECT_EQ(shown(made, "Ready"), "False Starting");
  EXPECT_THAT(std::string(text_at(condition(made, "Ready"), "/message")),
              HasSubstr("1 of 2 workers of v1 are ready; b: 0/3 nodes are available"));
  EXPECT_EQ(shown(made, "Available"), "True Serving");
  input.view->problem = "the gateway's Secret is too large";
  EXPECT_EQ(shown(status(input), "Ready"), "False Starting");
  input.view->seen.versions[0].replicas[1] = worker("b", ReplicaState::kReady);
  const json::object failed = status(input);
  EXPECT_EQ(shown(failed, "Ready"), "False Failed");
  EXPECT_THAT(std::string(text_at(condition(failed, "Ready"), "/message")),
              HasSubstr("the gateway's Secret is too large"));
}

TEST(ServiceStatus, HasNoVersionBeforeTheFirstOne) {
  StatusInput input = rolling();
  input.view->record = {};
  input.view->record.name = "story";
  input.view->seen = {};
  const json::object made = status(input);
  EXPECT_EQ(shown(made, "Ready"), "False NoVersion");
  EXPECT_EQ(shown(made, "Progressing"), "False NoRollout");
  EXPECT_EQ(shown(made, "Available"), "False NoWorker");
  EXPECT_FALSE(made.contains("candidate"));
}

TEST(ServiceStatus, SaysWhatTheFirstVersionWaitsFor) {
  StatusInput input = rolling();
  input.view->record.stable.clear();
  input.view->record.routed = false;
  input.view->record.rollout.reset();
  input.view->record.versions.pop_back();
  input.view->seen.versions = {
      version("v1", 2, {worker("a", ReplicaState::kNoRoom, "0/3 nodes are available")})};
  const json::object made = status(input);
  EXPECT_EQ(text_at(condition(made, "Ready"), "/message"),
            "0 of 2 workers of v1 are ready; a: 0/3 nodes are available");
}

TEST(ServiceStatus, SaysWhyAManifestIsNotAccepted) {
  StatusInput input = rolling();
  input.view.reset();
  input.accepted = fail(Code::kInvalidArgument, "spec.modle: did you mean model?");
  const json::object made = status(input);
  EXPECT_EQ(shown(made, "Accepted"), "False Invalid");
  EXPECT_EQ(text_at(condition(made, "Accepted"), "/message"), "spec.modle: did you mean model?");
  EXPECT_EQ(shown(made, "Ready"), "False NotAccepted");
  input.accepted = fail(Code::kNotFound, "there is no such image");
  EXPECT_EQ(shown(status(input), "Accepted"), "False ModelNotFound");
}

TEST(ServiceStatus, CutsALongMessageBetweenCharacters) {
  StatusInput input = rolling();
  input.view.reset();
  std::string message = "x";
  while (message.size() < 40'000) message += "é";
  input.accepted = fail(Code::kInvalidArgument, message);
  const auto read = parse_json(json::serialize(status(input)));
  ASSERT_TRUE(read.has_value()) << read.error().message;
  EXPECT_EQ(text_at(condition(read->as_object(), "Accepted"), "/message").size(), 32'767U);
}

TEST(ServiceStatus, AConditionKeepsItsTimeWhileItHolds) {
  StatusInput input = rolling();
  const json::object before = status(input);
  input.now = at(500);
  input.view->record.rollout->message = "another word";
  const json::object same = status(input, before);
  EXPECT_EQ(condition(same, "Ready"), condition(before, "Ready"));
  EXPECT_EQ(condition(same, "Progressing").at("lastTransitionTime"),
            condition(before, "Progressing").at("lastTransitionTime"));
  input.view->seen.versions[0].replicas.pop_back();
  const json::object changed = status(input, same);
  EXPECT_NE(condition(changed, "Ready").at("lastTransitionTime"),
            condition(before, "Ready").at("lastTransitionTime"));
}

}  // namespace
}  // namespace serin::cluster
