// SPDX-License-Identifier: Apache-2.0
#include "platform/kubernetes/objects/check_for_cluster.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "platform/kubernetes/plans_for_test.h"

namespace serin::platform::kubernetes {
namespace {

// A manifest with its defaults, of that name, in which one part says this.
json::value manifest(std::string_view name, const std::string& part = "",
                     std::string_view written = "") {
  json::object spec{{"model", "oci://r/m:1"}};
  for (const std::string one : {"rollout", "kubernetes"})
    spec[one] = spec_part(one, one == part ? written : "{}");
  if (part == "notifications") spec[part] = *parse_json(written);
  return json::object{{"metadata", {{"name", name}}}, {"spec", std::move(spec)}};
}

Status check(const json::value& document) {
  const json::value& kubernetes = document.at("spec").at("kubernetes");
  return check_for_cluster(document, read_fields(kubernetes.as_object()));
}

TEST(CheckForCluster, TakesWhatTheDefinitionTakes) {
  EXPECT_TRUE(check(manifest("storyteller")));
  EXPECT_TRUE(check(manifest("serin-gateway-2")));
  EXPECT_TRUE(check(manifest("storyteller", "kubernetes", R"({"tolerations": [
      {"operator": "Exists"}, {"key": "dedicated", "value": "models"},
      {"key": "node", "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": 30}]})")));
  EXPECT_TRUE(check(manifest("storyteller", "notifications",
                             R"([{"name": "n", "url": "https://h/", "secretFile": "/s"}])")));
}

TEST(CheckForCluster, NamesTheFieldThatAClusterWouldNotTake) {
  const struct {
    json::value document;
    const char* field;
    const char* said;
  } kRows[] = {
      {manifest("serin-gateway"), "metadata.name", "serin-gateway is Serin's gateway"},
      {manifest("2nd"), "metadata.name", "begins with a letter"},
      {manifest("a", "rollout",
                R"({"analysis": {"scorers": [{"name": "s", "url": "http://s"},
                                             {"name": "t", "command": ["t"]}]}})"),
       "spec.rollout.analysis.scorers[1].command", "a scorer is a server"},
      {manifest("a", "notifications", R"([{"name": "n", "command": ["mail"]}])"),
       "spec.notifications[0].command", "events go to a server"},
      {manifest("a", "notifications", R"([{"name": "n", "url": "https://h/"}])"),
       "spec.notifications[0].secretFile", "is missing"},
      {manifest("a", "kubernetes", R"({"tolerations": [{"operator": "Exists", "value": "v"}]})"),
       "spec.kubernetes.tolerations[0].value", "operator Equal only"},
      {manifest("a", "kubernetes", R"({"tolerations": [{"value": "v"}]})"),
       "spec.kubernetes.tolerations[0].key", "operator: Exists without key"},
      {manifest("a", "kubernetes", R"({"tolerations": [{"key": "k", "tolerationSeconds": 3}]})"),
       "spec.kubernetes.tolerations[0].tolerationSeconds", "NoExecute only"},
  };
  for (const auto& row : kRows) {
    const Status refused = check(row.document);
    ASSERT_FALSE(refused) << row.field;
    EXPECT_EQ(refused.error().param, row.field);
    EXPECT_THAT(refused.error().message, testing::StartsWith(std::string(row.field) + ": "));
    EXPECT_THAT(refused.error().message, testing::HasSubstr(row.said));
  }
}

}  // namespace
}  // namespace serin::platform::kubernetes
