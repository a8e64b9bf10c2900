// SPDX-License-Identifier: Apache-2.0
#include <cmath>
#include <cstdio>

#include "base/check.h"
#include "base/quantity.h"
#include "control/lint/lint.h"
#include "control/lint/nodes.h"
#include "control/notify/reasons.h"
#include "control/schema/manifest.h"
#include "rollout/stats/rate_test.h"

namespace serin::control {
namespace {

using Findings = std::vector<LintFinding>;

// Beyond so much an error rate is no promise worth its analysis.
constexpr double kCoinToss = 0.2;
// Steps that follow sooner than requests of usual length end, and than anybody looks.
constexpr double kShortInterval = 30;
constexpr double kSmallWeight = 50;

// The manifest as it is meant, with its defaults. The document was checked.
json::value whole(const YamlNode& document) {
  const auto written = document.to_json();
  SERIN_CHECK(written.has_value());
  return manifest_schema().with_defaults(*written);
}

double seconds(const json::value& text) { return *parse_duration(text.as_string()); }

// Where a field stands; what is left out stands where the document begins.
YamlMark mark_of(const YamlNode& document, std::initializer_list<std::string_view> keys) {
  const YamlNode* node = node_at(document, keys);
  return node == nullptr ? document.mark : node->mark;
}

std::string printed(const char* format, double value) {
  char text[160];
  std::snprintf(text, sizeof text, format, value);
  return text;
}

void coin_toss(const YamlNode& document, const LintFacts&, Findings& findings) {
  const json::value manifest = whole(document);
  const json::value& analysis = manifest.at("spec").at("rollout").at("analysis");
  for (const std::string_view name : {"falseRollback", "falsePromotion"}) {
    const double rate = analysis.at(name).to_number<double>();
    if (rate >= kCoinToss)
      findings.push_back(
          {"coin-toss", mark_of(document, {"spec", "rollout", "analysis", name}),
           "spec.rollout.analysis." + std::string(name),
           printed("one verdict in %.0f may be wrong: nearly a toss of a coin", 1 / rate)});
  }
}

void first_token_timeout(const YamlNode& document, const LintFacts&, Findings& findings) {
  const json::value manifest = whole(document);
  const json::value& resilience = manifest.at("spec").at("resilience");
  const double all = seconds(resilience.at("timeout"));
  const double first = seconds(resilience.at("firstTokenTimeout"));
  if (all <= first)
    findings.push_back({"first-token-timeout", mark_of(document, {"spec", "resilience", "timeout"}),
                        "spec.resilience.timeout",
                        printed("%g s for a whole request", all) +
                            printed(" ends it before firstTokenTimeout (%g s) could", first)});
}

void retries_without_time(const YamlNode& document, const LintFacts&, Findings& findings) {
  const json::value manifest = whole(document);
  const json::value& resilience = manifest.at("spec").at("resilience");
  const double all = seconds(resilience.at("timeout"));
  const double first = seconds(resilience.at("firstTokenTimeout"));
  const auto attempts = resilience.at("retries").at("attempts").to_number<double>();
  if (attempts > 0 && all > first && first * (attempts + 1) > all)
    findings.push_back(
        {"retries-without-time", mark_of(document, {"spec", "resilience", "retries", "attempts"}),
         "spec.resilience.retries.attempts",
         printed("%g tries", attempts + 1) + printed(" of up to %g s each", first) +
             printed(" do not fit a timeout of %g s: the last ones have no time", all)});
}

void sticky_without_users(const YamlNode& document, const LintFacts&, Findings& findings) {
  const json::value manifest = whole(document);
  const json::value& rollout = manifest.at("spec").at("rollout");
  if (rollout.at("stickyBy").as_string() != "user" || rollout.as_object().contains("userHeader"))
    return;
  findings.push_back(
      {"sticky-without-users", mark_of(document, {"spec", "rollout", "stickyBy"}),
       "spec.rollout.stickyBy",
       "without userHeader a user is known by the token's subject, the API key, or user and "
       "safety_identifier of the body; requests that have none of these are not sticky"});
}

void short_interval(const YamlNode& document, const LintFacts&, Findings& findings) {
  const json::value manifest = whole(document);
  const json::value& rollout = manifest.at("spec").at("rollout");
  const double interval = seconds(rollout.at("interval"));
  if (rollout.at("strategy").as_string() == "canary" && interval < kShortInterval)
    findings.push_back(
        {"short-interval", mark_of(document, {"spec", "rollout", "interval"}),
         "spec.rollout.interval",
         printed("steps of %g s", interval) +
             " show nothing of what takes time: caches that fill, memory that leaks, "
             "users who complain"});
}

void promotes_blindly(const YamlNode& document, const LintFacts&, Findings& findings) {
  const json::value manifest = whole(document);
  if (manifest.at("spec").at("rollout").at("onHoldLimit").as_string() == "promote")
    findings.push_back({"promotes-blindly", mark_of(document, {"spec", "rollout", "onHoldLimit"}),
                        "spec.rollout.onHoldLimit",
                        "a candidate of which nothing is known after holdLimit is promoted: "
                        "falsePromotion is not kept"});
}

void dry_run(const YamlNode& document, const LintFacts&, Findings& findings) {
  const json::value manifest = whole(document);
  if (manifest.at("spec").at("rollout").at("dryRun").as_bool())
    findings.push_back(
        {"dry-run", mark_of(document, {"spec", "rollout", "dryRun"}), "spec.rollout.dryRun",
         "the weight grows by time alone, and a harmful candidate is not rolled back"});
}

void big_first_step(const YamlNode& document, const LintFacts&, Findings& findings) {
  const json::value manifest = whole(document);
  const auto weight = manifest.at("spec").at("rollout").at("initialWeight").to_number<double>();
  if (weight > kSmallWeight)
    findings.push_back({"big-first-step", mark_of(document, {"spec", "rollout", "initialWeight"}),
                        "spec.rollout.initialWeight",
                        printed("%g %% of the users meet what nobody has tried yet", weight)});
}

void no_error_metric(const YamlNode& document, const LintFacts&, Findings& findings) {
  const json::value manifest = whole(document);
  const json::value& metrics = manifest.at("spec").at("rollout").at("analysis").at("metrics");
  for (const json::value& metric : metrics.as_array()) {
    if (metric.at("name").as_string() == "errorRate") return;
  }
  findings.push_back(
      {"no-error-metric", mark_of(document, {"spec", "rollout", "analysis", "metrics"}),
       "spec.rollout.analysis.metrics",
       "errorRate is not among them: a candidate that only fails is not rolled back"});
}

void narrow_margin(const YamlNode& document, const LintFacts&, Findings& findings) {
  const YamlNode* metrics = node_at(document, {"spec", "rollout", "analysis", "metrics"});
  for (std::size_t i = 0; metrics != nullptr && i < metrics->items.size(); ++i) {
    const YamlNode* margin = metrics->items[i].find("margin");
    const YamlNode* harm = metrics->items[i].find("harmMargin");
    if (margin == nullptr || harm == nullptr) continue;
    const double most = *parse_share(*margin->to_json());
    if (most > 0 && *parse_share(*harm->to_json()) == most)
      findings.push_back(
          {"narrow-margin", harm->mark,
           "spec.rollout.analysis.metrics[" + std::to_string(i) + "].harmMargin",
           "is margin itself: a candidate that is worse by just that is found by neither test, and "
           "holds the rollout"});
  }
}

void ejects_all(const YamlNode& document, const LintFacts&, Findings& findings) {
  const json::value manifest = whole(document);
  const json::value& breaker = manifest.at("spec").at("resilience").at("circuitBreaker");
  if (breaker.at("maxEjectionPercent").as_int64() == 100)
    findings.push_back(
        {"ejects-all",
         mark_of(document, {"spec", "resilience", "circuitBreaker", "maxEjectionPercent"}),
         "spec.resilience.circuitBreaker.maxEjectionPercent",
         "trouble that all workers share leaves none to ask"});
}

void unknown_event(const YamlNode& document, const LintFacts&, Findings& findings) {
  const YamlNode* targets = node_at(document, {"spec", "notifications"});
  for (std::size_t i = 0; targets != nullptr && i < targets->items.size(); ++i) {
    const YamlNode* events = targets->items[i].find("events");
    for (std::size_t j = 0; events != nullptr && j < events->items.size(); ++j) {
      const YamlNode& pattern = events->items[j];
      if (const Status known = notify::check_pattern(pattern.scalar); !known)
        findings.push_back(
            {"unknown-event", pattern.mark,
             "spec.notifications[" + std::to_string(i) + "].events[" + std::to_string(j) + "]",
             known.error().message});
    }
  }
}

void undetectable_margin(const YamlNode& document, const LintFacts& facts, Findings& findings) {
  if (facts.requests_per_second <= 0) return;
  const json::value manifest = whole(document);
  const json::value& rollout = manifest.at("spec").at("rollout");
  const double weight = rollout.at("initialWeight").to_number<double>() / 100;
  const double time = seconds(rollout.at("interval")) + seconds(rollout.at("holdLimit"));
  const double threshold =
      std::log(1 / rollout.at("analysis").at("falsePromotion").to_number<double>());
  for (const json::value& metric : rollout.at("analysis").at("metrics").as_array()) {
    if (metric.at("name").as_string() != "errorRate") continue;
    rollout::RateTest test(rollout::Side::kSafe, *parse_share(metric.at("margin")));
    constexpr double kPast = 1e6;  // requests, so that the guess is the rate
    test.seed(
        {static_cast<std::uint64_t>(kPast), static_cast<std::uint64_t>(kPast * facts.error_rate)});
    const double needed =
        test.expected_trials(facts.error_rate, facts.error_rate, weight, threshold) /
        facts.requests_per_second;
    if (needed <= time) continue;
    findings.push_back(
        {"undetectable-margin", mark_of(document, {"spec", "rollout", "analysis", "metrics"}),
         "spec.rollout.analysis.metrics",
         printed("at %g requests a second", facts.requests_per_second) +
             printed(" it takes about %.1f hours to see that errorRate is within its margin",
                     needed / 3600) +
             printed(", and interval and holdLimit are %.1f", time / 3600)});
  }
}

constexpr LintRule kRules[] = {
    {"coin-toss", "falseRollback or falsePromotion of 0.2 or more", coin_toss},
    {"first-token-timeout", "timeout that ends before firstTokenTimeout", first_token_timeout},
    {"retries-without-time", "tries that timeout leaves no time for", retries_without_time},
    {"sticky-without-users", "stickyBy user without userHeader", sticky_without_users},
    {"short-interval", "steps of less than 30 s", short_interval},
    {"promotes-blindly", "onHoldLimit promote", promotes_blindly},
    {"dry-run", "dryRun", dry_run},
    {"big-first-step", "initialWeight above 50", big_first_step},
    {"no-error-metric", "metrics without errorRate", no_error_metric},
    {"narrow-margin", "harmMargin that is margin", narrow_margin},
    {"ejects-all", "maxEjectionPercent 100", ejects_all},
    {"unknown-event", "a reason that no event has", unknown_event},
    {"undetectable-margin", "a margin that the stated traffic cannot show", undetectable_margin},
};

}  // namespace

std::span<const LintRule> manifest_rules() { return kRules; }

}  // namespace serin::control
