// SPDX-License-Identifier: Apache-2.0
#include "control/schema/manifest.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace serin::control {
namespace {

constexpr std::string_view kHead = R"(apiVersion: serin.dev/v1alpha1
kind: GenerativeService
metadata: {name: storyteller}
spec:
  model: storyteller:v2
)";

std::string error_of(const std::string& text) {
  const auto manifest = read_manifest(text, "m.yaml");
  return manifest ? "no error" : manifest.error().message;
}

TEST(Manifest, HasADefaultForEverythingButTheModel) {
  const auto manifest = read_manifest(kHead, "m.yaml");
  ASSERT_TRUE(manifest) << manifest.error().message;
  EXPECT_EQ(manifest->name, "storyteller");
  EXPECT_EQ(manifest->name_space, "default");
  EXPECT_EQ(manifest->model, "storyteller:v2");
  EXPECT_EQ(manifest->min_replicas, 1);
  EXPECT_EQ(manifest->max_replicas, 1);
  EXPECT_EQ(manifest->rollout.strategy, Strategy::kCanary);
  EXPECT_EQ(manifest->rollout.canary.initial_weight, 10);
  EXPECT_EQ(manifest->rollout.canary.interval, rollout::Seconds(3600));
  EXPECT_DOUBLE_EQ(manifest->rollout.analysis.false_rollback, 0.01);
  ASSERT_EQ(manifest->rollout.analysis.metrics.size(), 6u);
  EXPECT_DOUBLE_EQ(manifest->rollout.analysis.metrics[0].harm_margin, 0);
  EXPECT_DOUBLE_EQ(manifest->rollout.analysis.metrics[1].margin, 0.2);
  EXPECT_DOUBLE_EQ(manifest->rollout.analysis.metrics[1].harm_margin, 0.1);
  EXPECT_EQ(manifest->rollout.scorers, std::vector<std::string>{"wellFormed"});
  const json::value& resilience = manifest->document.at("spec").at("resilience");
  EXPECT_EQ(resilience.at("retries").at("attempts").as_int64(), 2);
  EXPECT_EQ(resilience.at("circuitBreaker").at("mode").as_string(), "metricsOnly");
  EXPECT_EQ(resilience.at("bulkhead").at("maxConcurrentCalls").as_int64(), 4096);
  EXPECT_FALSE(resilience.as_object().contains("fallback"));
  EXPECT_TRUE(manifest->document.at("spec").at("access").as_object().empty());
}

TEST(Manifest, FillsInWhatATokenRuleLeavesOut) {
  const auto manifest = read_manifest(
      std::string(kHead) + "  access: {jwtRules: [{issuer: a, jwksFile: /b}]}\n", "m.yaml");
  ASSERT_TRUE(manifest) << manifest.error().message;
  const json::value& rule = manifest->document.at("spec").at("access").at("jwtRules").at(0);
  EXPECT_EQ(rule.at("algorithms").as_array().size(), 4u);
  EXPECT_EQ(rule.at("leeway").as_string(), "60s");
}

TEST(Manifest, NeedsNoKeysOfAnIssuerThatSaysItselfWhereTheyAre) {
  EXPECT_EQ(error_of(std::string(kHead) + "  access: {jwtRules: [{issuer: \"https://id/a\"}]}\n"),
            "no error");
  for (const char* issuer : {"http://id", "https://id?a=b", "https://id#a"})
    EXPECT_THAT(
        error_of(std::string(kHead) + "  access: {jwtRules: [{issuer: \"" + issuer + "\"}]}\n"),
        testing::HasSubstr("no https:// URL"));
}

TEST(Manifest, ReadsWhatIsWritten) {
  const auto manifest = read_manifest(std::string(kHead) + R"(  replicas: {min: 1, max: 4}
  rollout:
    strategy: canary
    initialWeight: 5
    interval: 90s
    stickyBy: user
    userHeader: X-User
    onHoldLimit: rollBack
    analysis:
      falsePromotion: 0.1
      metrics:
      - {name: errorRate, margin: 0.002, harmMargin: 0.1%}
      - {name: timeToFirstToken, quantile: 0.99, margin: 30%}
      - {name: quality, margin: 2%}
      - {name: quality, scorer: feedback, margin: 4%}
      - {name: quality, scorer: judge, margin: 6%}
      scorers: [{name: judge, command: [python3, judge.py], sample: 0.2, timeout: 30s}]
  resilience: {fallback: {service: storyteller-small}}
)",
                                      "m.yaml");
  ASSERT_TRUE(manifest) << manifest.error().message;
  EXPECT_EQ(manifest->max_replicas, 4);
  EXPECT_EQ(manifest->rollout.canary.interval, rollout::Seconds(90));
  EXPECT_EQ(manifest->rollout.sticky_by, StickyBy::kUser);
  EXPECT_EQ(manifest->rollout.canary.on_hold_limit, rollout::HoldPolicy::kRollBack);
  ASSERT_EQ(manifest->rollout.analysis.metrics.size(), 5u);
  EXPECT_DOUBLE_EQ(manifest->rollout.analysis.metrics[0].harm_margin, 0.001);
  EXPECT_DOUBLE_EQ(manifest->rollout.analysis.metrics[1].quantile, 0.99);
  EXPECT_EQ(manifest->rollout.analysis.metrics[2].kind, rollout::MetricKind::kScore);
  EXPECT_EQ(manifest->rollout.analysis.metrics[3].kind, rollout::MetricKind::kRating);
  EXPECT_EQ(manifest->rollout.analysis.metrics[3].name, "quality (feedback)");
  EXPECT_DOUBLE_EQ(manifest->rollout.analysis.metrics[3].harm_margin, 0.02);
  EXPECT_EQ(manifest->rollout.analysis.metrics[4].kind, rollout::MetricKind::kLateScore);
  EXPECT_EQ(manifest->rollout.analysis.metrics[4].name, "quality (judge)");
  EXPECT_EQ(manifest->rollout.own_scorers,
            std::vector<ScorerSpec>{(ScorerSpec{.name = "judge",
                                                .command = {"python3", "judge.py"},
                                                .url = {},
                                                .sample = 0.2,
                                                .timeout = rollout::Seconds(30)})});
  EXPECT_EQ(manifest->rollout.scorers, std::vector<std::string>{"wellFormed"});
}

TEST(Manifest, SaysWhereAndWhatIsWrong) {
  const struct {
    const char* text;
    const char* error;
  } kRows[] = {
      {"  rolout: {}\n", "m.yaml:6:3: spec.rolout: is not a field; did you mean rollout?"},
      {"  replicas: 3\n",
       "m.yaml:6:13: spec.replicas: must be a mapping, such as {\"min\":2}, not 3"},
      {"  replicas: {min: one}\n",
       "m.yaml:6:19: spec.replicas.min: must be a whole number, not \"one\""},
      {"  replicas: {min: -1}\n", "m.yaml:6:19: spec.replicas.min: must be at least 0, not -1"},
      {"  replicas: {min: 3, max: 2}\n",
       "m.yaml:6:27: spec.replicas.max: must be at least spec.replicas.min, 3"},
      {"  replicas: {min: 1.5}\n",
       "m.yaml:6:19: spec.replicas.min: must be a whole number, not 1.5"},
      {"  resources: {cpu: 2}\n",
       "m.yaml:6:20: spec.resources.cpu: must be a string, such as \"2\", not 2"},
      {"  resources: {memory: 4GB}\n",
       "m.yaml:6:23: spec.resources.memory: \"4GB\" does not have the form "
       "^[0-9]+(\\.[0-9]+)?(Ki|Mi|Gi|Ti|k|M|G|T)?$, such as \"4Gi\""},
      {"  rollout: {strategy: cannary}\n",
       "m.yaml:6:23: spec.rollout.strategy: \"cannary\" is not known; did you mean canary? It must "
       "be canary, blueGreen, shadow or recreate"},
      {"  rollout: {analysis: {scorers: [{name: judge, url: 'http://j/', command: [j]}], metrics: "
       "[{name: quality, scorer: judge, margin: 1%}]}}\n",
       "m.yaml:6:34: spec.rollout.analysis.scorers[0]: has both command and url: one of them"},
      {"  rollout: {analysis: {scorers: [{name: judge, url: 'http://j/'}]}}\n",
       "m.yaml:6:34: spec.rollout.analysis.scorers[0]: no metric has the scorer judge"},
      {"  rollout: {analysis: {scorers: [{name: feedback}], metrics: [{name: quality, scorer: "
       "feedback, margin: 1%}]}}\n",
       "m.yaml:6:34: spec.rollout.analysis.scorers[0]: needs command, url or service: what scores"},
      {"  rollout: {analysis: {scorers: [{name: judge, service: storyteller}], metrics: [{name: "
       "quality, scorer: judge, margin: 1%}]}}\n",
       "m.yaml:6:57: spec.rollout.analysis.scorers[0].service: is this service itself"},
      {"  rollout: {analysis: {scorers: [{name: judge, service: j, url: 'http://j/'}], metrics: "
       "[{name: quality, scorer: judge, margin: 1%}]}}\n",
       "m.yaml:6:34: spec.rollout.analysis.scorers[0]: has both url and service: one of them"},
      {"  rollout: {interval: 10}\n",
       "m.yaml:6:23: spec.rollout.interval: must be a string, such as \"60s\", not 10"},
      {"  rollout: {interval: 10 min}\n",
       "m.yaml:6:23: spec.rollout.interval: \"10 min\" is not a duration; write 250ms, 60s, 10m, "
       "1h or 7d"},
      {"  rollout: {initialWeight: 0}\n",
       "m.yaml:6:28: spec.rollout.initialWeight: must be at least 1, not 0"},
      {"  rollout: {dryRun: 1}\n",
       "m.yaml:6:21: spec.rollout.dryRun: must be true or false, not 1"},
      {"  rollout: {userHeader: X-User}\n",
       "m.yaml:6:25: spec.rollout.userHeader: means something only with stickyBy: user"},
      {"  rollout: {analysis: {falseRollback: 0}}\n",
       "m.yaml:6:39: spec.rollout.analysis.falseRollback: must be more than 0, not 0"},
      {"  rollout: {strategy: shadow, analysis: {metrics: [{name: quality, scorer: feedback, "
       "margin: 1%}]}}\n",
       "m.yaml:6:76: spec.rollout.analysis.metrics[0].scorer: cannot be decided with strategy "
       "shadow"},
      {"  rollout: {analysis: {metrics: []}}\n",
       "m.yaml:6:33: spec.rollout.analysis.metrics: must have at least 1 items"},
      {"  rollout: {analysis: {metrics: [{margin: 1%}]}}\n",
       "m.yaml:6:34: spec.rollout.analysis.metrics[0]: name is missing"},
      {"  rollout: {analysis: {metrics: [{name: latency}]}}\n",
       "m.yaml:6:34: spec.rollout.analysis.metrics[0]: margin is missing"},
      {"  rollout: {analysis: {metrics: [{name: latency, margin: 200%}]}}\n",
       "m.yaml:6:58: spec.rollout.analysis.metrics[0].margin: \"200%\" is not a share; write 0.02 "
       "or 2%, from 0 to 1"},
      {"  rollout: {analysis: {metrics: [{name: latency, margin: 2%, harmMargin: 3%}]}}\n",
       "m.yaml:6:74: spec.rollout.analysis.metrics[0].harmMargin: must be at most margin: what is "
       "worse than margin is harm"},
      {"  rollout: {analysis: {metrics: [{name: crashes, margin: 2%}]}}\n",
       "m.yaml:6:58: spec.rollout.analysis.metrics[0].margin: crashes have none: nobody promises "
       "how seldom workers crash"},
      {"  rollout: {analysis: {metrics: [{name: latency, margin: 2%}, {name: latency, margin: "
       "3%}]}}\n",
       "m.yaml:6:63: spec.rollout.analysis.metrics[1]: latency is there twice"},
      {"  rollout: {analysis: {metrics: [{name: latency, margin: 2%, scorer: x}]}}\n",
       "m.yaml:6:70: spec.rollout.analysis.metrics[0].scorer: only quality has a scorer"},
      {"  resilience: {mirror: {percent: 10}}\n",
       "m.yaml:6:24: spec.resilience.mirror: service is missing"},
      {"  resilience: {fallback: {service: storyteller}}\n",
       "m.yaml:6:36: spec.resilience.fallback.service: is this service itself"},
      {"  resilience: {circuitBreaker: {consecutiveErrors: 5}}\n",
       "m.yaml:6:33: spec.resilience.circuitBreaker.consecutiveErrors: is not a field; did you "
       "mean consecutive5xxErrors?"},
      {"  resilience: {adaptiveConcurrency: {minLimit: 300}}\n",
       "m.yaml:6:37: spec.resilience.adaptiveConcurrency: minLimit must be at most maxLimit"},
      {"  access: {jwtRules: [{issuer: a}]}\n",
       "m.yaml:6:23: spec.access.jwtRules[0]: needs jwksUri or jwksFile"},
      {"  access: {jwtRules: [{issuer: a, jwksFile: /b, jwksUri: \"https://c\"}]}\n",
       "m.yaml:6:23: spec.access.jwtRules[0]: has both jwksUri and jwksFile"},
      {"  access: {jwtRules: [{issuer: a, jwksFile: /b, algorithms: [HS256]}]}\n",
       "m.yaml:6:62: spec.access.jwtRules[0].algorithms[0]: \"HS256\" is not known"},
      {"  notifications: [{name: a}]\n",
       "m.yaml:6:19: spec.notifications[0]: needs url or command, and not both"},
      {"  notifications: [{name: a, url: \"http://x\", command: [y]}]\n",
       "m.yaml:6:19: spec.notifications[0]: needs url or command, and not both"},
      {"  notifications: [{name: a, url: \"http://x\"}]\n",
       "m.yaml:6:19: spec.notifications[0].secretFile: is missing: it signs what is sent"},
      {"  notifications: [{name: a, command: [y], secretFile: /s}]\n",
       "m.yaml:6:55: spec.notifications[0].secretFile: a command needs none"},
      {"  notifications: [{name: a, command: [y]}, {name: a, command: [z]}]\n",
       "m.yaml:6:44: spec.notifications[1].name: another one has this name"},
      {"  notifications: [{name: a, command: [y], timeout: 2m}]\n",
       "m.yaml:6:52: spec.notifications[0].timeout: is longer than may be"},
      {"  notifications: [{name: a, command: [y], events: [\"a*b\"]}]\n",
       "m.yaml:6:52: spec.notifications[0].events[0]: \"a*b\" does not have the form"},
      {"  kubernetes: {hosts: [a.example]}\n",
       "m.yaml:6:23: spec.kubernetes.hosts: means something with router istio or gatewayAPI only"},
      {"  kubernetes: {router: istio, gateways: [a/b]}\n",
       "m.yaml:6:41: spec.kubernetes.gateways: hosts are missing"},
      {"  kubernetes: {router: istio, hosts: [a.example]}\n",
       "m.yaml:6:38: spec.kubernetes.hosts: gateways are missing"},
      {"  kubernetes: {router: istio, endpointPicker: p}\n",
       "m.yaml:6:47: spec.kubernetes.endpointPicker: means something with gatewayAPI only"},
      {"  kubernetes: {modelSource: volumeClaim}\n",
       "m.yaml:6:15: spec.kubernetes.volumeClaim: is missing"},
      {"  kubernetes: {volumeClaim: models}\n",
       "m.yaml:6:29: spec.kubernetes.volumeClaim: means something with modelSource volumeClaim"},
      {"  kubernetes: {modelSource: image, modelSecret: s}\n",
       "m.yaml:6:49: spec.kubernetes.modelSecret: means something with modelSource pull only"},
      {"  kubernetes: {modelSource: image, image: a/b}\n",
       "m.yaml:6:43: spec.kubernetes.image: is spec.model itself with modelSource image"},
      {"  kubernetes: {podLabels: {serin.dev/version: v9}}\n",
       "m.yaml:6:28: spec.kubernetes.podLabels.serin.dev/version: is given by Serin"},
      {"  kubernetes: {tolerations: [{operator: Maybe}]}\n",
       "m.yaml:6:41: spec.kubernetes.tolerations[0].operator: \"Maybe\" is not known"},
      {"  kubernetes: {gpuResource: gpu}\n", "m.yaml:6:29: spec.kubernetes.gpuResource: \"gpu\" "},
      {"  backup: {}\n", "m.yaml:6:3: spec.backup: is not a field"},
      {"  rollout: [\n", "m.yaml:6:12: [ is not closed"},
  };
  for (const auto& row : kRows)
    EXPECT_THAT(error_of(std::string(kHead) + row.text), testing::StartsWith(row.error))
        << row.text;
}

// As a cluster stores it, whose server fills in defaults, but for the scorer of a metric.
TEST(Manifest, IsTheSameWithWhatAClusterFillsIn) {
  const auto manifest = read_manifest(kHead, "m.yaml");
  ASSERT_TRUE(manifest) << manifest.error().message;
  json::value stored = manifest->document;
  for (json::value& metric :
       stored.at("spec").at("rollout").at("analysis").at("metrics").as_array())
    if (metric.at("name") != "quality") metric.as_object().erase("scorer");
  const auto again = read_manifest(canonical_json(stored), "cluster");
  ASSERT_TRUE(again) << again.error().message;
  EXPECT_EQ(canonical_json(again->document), canonical_json(manifest->document));
}

TEST(Manifest, TakesWhatAPodsAffinityMayBeWithoutKnowingIt) {
  const auto manifest = read_manifest(
      std::string(kHead) + "  kubernetes: {affinity: {nodeAffinity: {x: [1]}}}\n", "m.yaml");
  ASSERT_TRUE(manifest) << manifest.error().message;
  const json::value& fields = manifest->document.at("spec").at("kubernetes");
  EXPECT_EQ(canonical_json(fields.at("affinity")), R"({"nodeAffinity":{"x":[1]}})");
  EXPECT_EQ(fields.at("router").as_string(), "serin");
  EXPECT_EQ(fields.at("topologySpreadConstraints").at(1).at("maxSkew").as_int64(), 1);
}

TEST(Manifest, SaysEverythingThatIsWrongAtOnce) {
  const std::string error = error_of("apiVersion: v1\nkind: Service\nmetadata: {name: A_b}\n");
  EXPECT_THAT(error,
              testing::HasSubstr(
                  "m.yaml:1:13: apiVersion: \"v1\" is not known; must be serin.dev/v1alpha1"));
  EXPECT_THAT(error, testing::HasSubstr("\nm.yaml:2:7: kind: \"Service\" is not known"));
  EXPECT_THAT(error,
              testing::HasSubstr("\nm.yaml:3:18: metadata.name: \"A_b\" does not have the form"));
  EXPECT_THAT(error, testing::HasSubstr("\nm.yaml:1:1: spec is missing"));
}

TEST(Manifest, ReadsItsOwnDocumentAgain) {
  const auto manifest = read_manifest(std::string(kHead) + R"(  resources: {cpu: "2", memory: 1.5Gi}
  rollout: {analysis: {falseRollback: 0.001, metrics: [{name: quality, margin: 1e-3}]}}
  resilience: {mirror: {service: other, percent: 0.5}}
)",
                                      "m.yaml");
  ASSERT_TRUE(manifest) << manifest.error().message;
  EXPECT_DOUBLE_EQ(manifest->resources.cpus, 2);
  EXPECT_EQ(manifest->resources.memory_bytes, std::uint64_t{3} << 29);
  const auto again = read_manifest(canonical_json(manifest->written), "stored");
  ASSERT_TRUE(again) << again.error().message;
  EXPECT_EQ(canonical_json(again->document), canonical_json(manifest->document));
}

TEST(Manifest, QuantitiesAreThoseOfKubernetes) {
  EXPECT_DOUBLE_EQ(*parse_cpus("500m"), 0.5);
  EXPECT_DOUBLE_EQ(*parse_cpus("2.5"), 2.5);
  EXPECT_EQ(*parse_bytes("512M"), 512'000'000u);
  EXPECT_EQ(*parse_bytes("1Ki"), 1024u);
  for (const char* wrong : {"", "0", "m", "2k", "-1", "5000", "1 "})
    EXPECT_FALSE(parse_cpus(wrong)) << wrong;
  for (const char* wrong : {"", "0", "Gi", "1GB", "-1Gi", "2000Ti"})
    EXPECT_FALSE(parse_bytes(wrong)) << wrong;
}

}  // namespace
}  // namespace serin::control
