// SPDX-License-Identifier: Apache-2.0
#include "platform/kubernetes/objects/crd.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>
#include <regex>

#include "base/issuer.h"
#include "platform/kubernetes/golden_for_test.h"
#include "platform/kubernetes/objects/crd_rules.h"

namespace serin::platform::kubernetes {
namespace {

json::value manifest_schema() {
  const auto text = read_file(source_path("docs/schema/generative-service.json"));
  return *parse_json(*text);
}
json::value made() { return crd_of(manifest_schema(), status_schema()); }

json::value version() { return made().at("spec").at("versions").at(0); }

// The node at a path as CelRule has it.
const json::value* node_at(const json::value& root, std::string_view path) {
  const json::value* at = &root;
  while (at != nullptr && !path.empty()) {
    const std::size_t dot = path.find('.');
    std::string_view name = path.substr(0, dot);
    path = dot == std::string_view::npos ? std::string_view() : path.substr(dot + 1);
    const bool item = name.ends_with("[]");
    if (item) name.remove_suffix(2);
    const json::value* properties = at->as_object().if_contains("properties");
    at = properties == nullptr ? nullptr : properties->as_object().if_contains(name);
    if (item && at != nullptr) at = at->as_object().if_contains("items");
  }
  return at;
}
json::value spec_node(std::string_view path) {
  const json::value root = version().at("schema").at("openAPIV3Schema");
  const json::value* node = node_at(root, path);
  return node == nullptr ? json::value("there is none") : *node;
}

TEST(Crd, IsWhatDeployHas) {
  expect_golden(
      "# SPDX-License-Identifier: Apache-2.0\n# made by serin render crd\n" + write_yaml(made()),
      "deploy/crd/generativeservices.yaml");
}

TEST(Crd, GivesEveryValueOneTypeAndUsesWhatStructuralSchemasAllow) {
  const auto allowed = testing::AnyOf(
      "type", "description", "default", "properties", "items", "required", "enum", "minItems",
      "maxItems", "minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "minLength",
      "maxLength", "maxProperties", "pattern", "format", "additionalProperties", "oneOf",
      "x-kubernetes-preserve-unknown-fields", "x-kubernetes-validations", "x-kubernetes-list-type",
      "x-kubernetes-list-map-keys");
  const std::function<void(const json::object&, const std::string&)> walk =
      [&](const json::object& node, const std::string& path) {
        EXPECT_TRUE(node.contains("type") || node.contains("x-kubernetes-preserve-unknown-fields"))
            << path;
        for (const auto& keyword : node) EXPECT_THAT(std::string(keyword.key()), allowed) << path;
        if (const auto* more = node.if_contains("additionalProperties"))
          walk(more->as_object(), path + "{}");
        if (const auto* items = node.if_contains("items")) walk(items->as_object(), path + "[]");
        if (const auto* properties = node.if_contains("properties")) {
          for (const auto& field : properties->as_object())
            walk(field.value().as_object(), path + "." + std::string(field.key()));
        }
      };
  walk(version().at("schema").at("openAPIV3Schema").as_object(), "");
}

TEST(Crd, KeepsBoundsAndDefaults) {
  EXPECT_EQ(canonical_json(spec_node("spec.replicas.min").at("default")), "1");
  // A cluster refuses a definition whose rules do not hold of a default as it stands there.
  EXPECT_EQ(canonical_json(spec_node("spec.replicas").at("default")), R"({"min":1})");
  EXPECT_EQ(spec_node("spec.rollout").at("default").at("analysis").at("metrics").at(0).at("name"),
            "errorRate");
  const json::value rate = spec_node("spec.rollout.analysis.falseRollback");
  EXPECT_EQ(canonical_json(rate.at("minimum")), "0");
  EXPECT_EQ(canonical_json(rate.at("exclusiveMinimum")), "true");
  EXPECT_EQ(canonical_json(rate.at("maximum")), "0.5");
}

TEST(Crd, SaysDurationsAndSharesWithoutFormats) {
  EXPECT_THAT(std::string(spec_node("spec.rollout.interval").at("pattern").as_string()),
              testing::HasSubstr("(us|ms|s|m|h|d)"));
  const json::value share = spec_node("spec.resilience.retries.budget");
  EXPECT_FALSE(share.as_object().contains("type"));
  EXPECT_EQ(share.at("default").as_string(), "20%");
  EXPECT_EQ(canonical_json(share.at("maximum")), "1");
}

TEST(Crd, LeavesWhatItDoesNotKnowOfAPodToTheCluster) {
  EXPECT_EQ(canonical_json(
                spec_node("spec.kubernetes.affinity").at("x-kubernetes-preserve-unknown-fields")),
            "true");
  EXPECT_EQ(canonical_json(spec_node("spec.kubernetes.nodeSelector").at("additionalProperties")),
            R"({"type":"string"})");
}

TEST(Crd, EveryRuleAndAmendmentIsAtANodeThatThereIs) {
  for (const CelRule& rule : kCelRules) {
    const json::value node = spec_node(rule.path);
    ASSERT_TRUE(node.is_object()) << rule.path;
    EXPECT_THAT(canonical_json(node.at("x-kubernetes-validations")),
                testing::HasSubstr(canonical_json(json::value(rule.rule))));
  }
  for (const Amendment& amendment : kAmendments)
    EXPECT_TRUE(spec_node(amendment.path).is_object()) << amendment.path;
}

TEST(Crd, AsksForKeysOfTheIssuersThatTheManifestAsksForThemToo) {
  const std::string rules =
      canonical_json(spec_node("spec.access.jwtRules[]").at("x-kubernetes-validations"));
  std::smatch pattern;
  ASSERT_TRUE(std::regex_search(rules, pattern, std::regex(R"(issuer\.matches\('([^']+)'\))")));
  for (const char* issuer : {"https://id", "https://id/a/", "", "ada", "http://id", "https://",
                             "https://id?a=b", "https://id#a", "see https://id"})
    EXPECT_EQ(std::regex_search(issuer, std::regex(pattern[1].str())), says_its_keys(issuer))
        << issuer;
}

TEST(Crd, DoesNotMakeEveryMetricOneWithAScorer) {
  EXPECT_FALSE(spec_node("spec.rollout.analysis.metrics[].scorer").as_object().contains("default"));
}

TEST(Crd, ScalesByTheLeastNumberOfWorkers) {
  const json::value scale = version().at("subresources").at("scale");
  EXPECT_EQ(scale.at("specReplicasPath").as_string(), ".spec.replicas.min");
  EXPECT_EQ(spec_node("spec.replicas.min").at("type").as_string(), "integer");
  EXPECT_EQ(spec_node("status.replicas").at("type").as_string(), "integer");
  EXPECT_EQ(spec_node("status.selector").at("type").as_string(), "string");
}

}  // namespace
}  // namespace serin::platform::kubernetes
