// SPDX-License-Identifier: Apache-2.0
#include "control/lint/lint.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>

namespace serin::control {
namespace {

const std::string kHead = R"(apiVersion: serin.dev/v1alpha1
kind: GenerativeService
metadata: {name: storyteller}
spec:
  model: storyteller:v2
)";

// "LINE: rule", one each.
std::vector<std::string> found(const std::string& text, const LintFacts& facts = {}) {
  const auto findings = lint(text, facts);
  if (!findings) return {findings.error().message};
  std::vector<std::string> all;
  for (const LintFinding& finding : *findings)
    all.push_back(std::to_string(finding.mark.line) + ": " + std::string(finding.rule));
  return all;
}

using testing::ElementsAre;
using testing::IsEmpty;

TEST(Lint, HasNothingAgainstTheDefaults) { EXPECT_THAT(found(kHead), IsEmpty()); }

TEST(Lint, FindsWhatIsQuestionableInARollout) {
  EXPECT_THAT(found(kHead + "  rollout: {analysis: {falseRollback: 0.5}}\n"),
              ElementsAre("6: coin-toss"));
  EXPECT_THAT(found(kHead + "  rollout: {stickyBy: user}\n"),
              ElementsAre("6: sticky-without-users"));
  EXPECT_THAT(found(kHead + "  rollout: {stickyBy: user, userHeader: X-User}\n"), IsEmpty());
  EXPECT_THAT(found(kHead + "  rollout: {interval: 5s}\n"), ElementsAre("6: short-interval"));
  EXPECT_THAT(found(kHead + "  rollout: {strategy: blueGreen, interval: 5s}\n"), IsEmpty());
  EXPECT_THAT(found(kHead + "  rollout: {onHoldLimit: promote}\n"),
              ElementsAre("6: promotes-blindly"));
  EXPECT_THAT(found(kHead + "  rollout: {dryRun: true}\n"), ElementsAre("6: dry-run"));
  EXPECT_THAT(found(kHead + "  rollout: {initialWeight: 60}\n"), ElementsAre("6: big-first-step"));
}

TEST(Lint, FindsWhatIsQuestionableInMetrics) {
  EXPECT_THAT(found(kHead + "  rollout: {analysis: {metrics: [{name: latency, margin: 20%}]}}\n"),
              ElementsAre("6: no-error-metric"));
  EXPECT_THAT(found(kHead + "  rollout: {analysis: {metrics: [{name: errorRate, margin: 0.01, "
                            "harmMargin: 1%}]}}\n"),
              ElementsAre("6: narrow-margin"));
}

TEST(Lint, FindsAMarginThatTheTrafficCannotShowWhereTheTrafficIsStated) {
  EXPECT_THAT(found(kHead, {.requests_per_second = 20}), IsEmpty());
  EXPECT_THAT(found(kHead, {.requests_per_second = 0.1}), ElementsAre("1: undetectable-margin"));
}

TEST(Lint, FindsTimesThatDoNotFit) {
  EXPECT_THAT(found(kHead + "  resilience: {timeout: 5s}\n"),
              ElementsAre("6: first-token-timeout"));
  EXPECT_THAT(found(kHead + "  resilience: {timeout: 30s, firstTokenTimeout: 15s}\n"),
              ElementsAre("1: retries-without-time"));
  EXPECT_THAT(
      found(kHead +
            "  resilience: {timeout: 30s, firstTokenTimeout: 15s, retries: {attempts: 1}}\n"),
      IsEmpty());
  EXPECT_THAT(found(kHead + "  resilience: {circuitBreaker: {maxEjectionPercent: 100}}\n"),
              ElementsAre("6: ejects-all"));
}

TEST(Lint, FindsReasonsThatNoEventHas) {
  EXPECT_THAT(found(kHead + "  notifications:\n  - {name: ops, command: [a], events: [Failed,\n"
                            "      RoledBack, Roll*]}\n"),
              ElementsAre("8: unknown-event"));
}

TEST(Lint, SaysWhatTheSchemaSays) {
  EXPECT_THAT(found(kHead + "  rolout: {}\n"), ElementsAre("6: schema"));
  EXPECT_THAT(found("a: [\n"), ElementsAre(testing::HasSubstr("1:4: [ is not closed")));
}

TEST(Lint, FindsFormsOfIstioThatAreIgnored) {
  const std::string rule = R"(apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {name: a}
spec:
  host: a
  trafficPolicy:
    mirror: {host: b}
    loadBalancer:
      simple: LEAST_CONN
      localityLbSetting: {enabled: true}
)";
  EXPECT_THAT(found(rule), ElementsAre("7: istio-mirror-place", "9: istio-least-conn",
                                       "10: istio-failover-alone"));
  const std::string outliers = R"(apiVersion: networking.istio.io/v1alpha3
kind: DestinationRule
spec:
  trafficPolicy:
    outlierDetection:
      consecutiveErrors: 5
      consecutive5xxErrors: 3
      consecutiveGatewayErrors: 3
)";
  EXPECT_THAT(found(outliers), ElementsAre("1: istio-old-api", "6: istio-consecutive-errors",
                                           "8: istio-gateway-errors"));
  const std::string service = R"(apiVersion: networking.istio.io/v1
kind: VirtualService
spec:
  http:
  - route: [{destination: {host: a}}]
    mirror: {host: b}
    mirrorPercent: 10
    fallback: {host: c}
    retries: {attempts: 3, perTryTimeout: 2s}
)";
  EXPECT_THAT(found(service), ElementsAre("7: istio-mirror-percent", "8: istio-fallback",
                                          "9: istio-per-try-timeout"));
}

TEST(Lint, ReadsEveryDocumentOfAFileAndLeavesOthersAlone) {
  const std::string text =
      "kind: ConfigMap\n---\n" + kHead +
      "  rollout: {dryRun: true}\n---\napiVersion: networking.istio.io/v1beta1\n"
      "kind: Gateway\n";
  EXPECT_THAT(found(text), ElementsAre("8: dry-run", "10: istio-old-api"));
  EXPECT_THAT(found(""), IsEmpty());
}

TEST(Lint, EveryRuleHasANameOfItsOwn) {
  std::set<std::string_view> names;
  for (const auto& rules : {manifest_rules(), istio_rules()}) {
    for (const LintRule& rule : rules) EXPECT_TRUE(names.insert(rule.name).second) << rule.name;
  }
  EXPECT_EQ(names.size(), manifest_rules().size() + istio_rules().size());
}

}  // namespace
}  // namespace serin::control
