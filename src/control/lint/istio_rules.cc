// SPDX-License-Identifier: Apache-2.0
// Forms of Istio's VirtualService and DestinationRule that tutorials still show and that do not do
// what they say (istio.io/latest/docs/reference/config/networking; pilot's source where a field is
// accepted and never read).
#include <charconv>

#include "control/lint/lint.h"
#include "control/lint/nodes.h"

namespace serin::control {
namespace {

using Findings = std::vector<LintFinding>;

bool is_kind(const YamlNode& document, std::string_view kind) {
  const YamlNode* node = document.find("kind");
  return node != nullptr && node->scalar == kind;
}

// Reports each entry of this key, anywhere below spec.
void find_key(const YamlNode& document, std::string_view rule, std::string_view key,
              const std::string& message, Findings& findings) {
  const YamlNode* spec = document.find("spec");
  if (spec == nullptr) return;
  for_each_entry(*spec, "spec", [&](const YamlNode::Entry& entry, const std::string& path) {
    if (entry.key == key) findings.push_back({rule, entry.mark, path, message});
  });
}

void mirror_place(const YamlNode& document, const LintFacts&, Findings& findings) {
  if (!is_kind(document, "DestinationRule")) return;
  find_key(
      document, "istio-mirror-place", "mirror",
      "a DestinationRule has no mirror: it is rejected, or dropped without a word; write it in "
      "the VirtualService: http[].mirror with mirrorPercentage: {value: 10}",
      findings);
}

void mirror_percent(const YamlNode& document, const LintFacts&, Findings& findings) {
  for (const std::string_view key : {"mirrorPercent", "mirror_percent"})
    find_key(document, "istio-mirror-percent", key,
             "deprecated; write mirrorPercentage: {value: 10.0}", findings);
}

void consecutive_errors(const YamlNode& document, const LintFacts&, Findings& findings) {
  find_key(document, "istio-consecutive-errors", "consecutiveErrors",
           "accepted and never read: the threshold stays Envoy's 5; write consecutive5xxErrors",
           findings);
}

void least_conn(const YamlNode& document, const LintFacts&, Findings& findings) {
  const YamlNode* spec = document.find("spec");
  if (spec == nullptr) return;
  for_each_entry(*spec, "spec", [&](const YamlNode::Entry& entry, const std::string& path) {
    if (entry.key == "simple" && entry.value.scalar == "LEAST_CONN")
      findings.push_back({"istio-least-conn", entry.value.mark, path,
                          "deprecated, and the same as LEAST_REQUEST; write that"});
  });
}

void old_api(const YamlNode& document, const LintFacts&, Findings& findings) {
  const YamlNode* version = document.find("apiVersion");
  if (version->scalar == "networking.istio.io/v1alpha3" ||
      version->scalar == "networking.istio.io/v1beta1")
    findings.push_back({"istio-old-api", version->mark, "apiVersion",
                        "still served, stored as v1; write networking.istio.io/v1"});
}

void failover_alone(const YamlNode& document, const LintFacts&, Findings& findings) {
  const YamlNode* policy = node_at(document, {"spec", "trafficPolicy"});
  if (policy == nullptr || policy->find("outlierDetection") != nullptr) return;
  const YamlNode* locality = node_at(*policy, {"loadBalancer", "localityLbSetting"});
  if (locality != nullptr)
    findings.push_back({"istio-failover-alone", locality->mark,
                        "spec.trafficPolicy.loadBalancer.localityLbSetting",
                        "does nothing without trafficPolicy.outlierDetection, which finds out what "
                        "has failed"});
}

void gateway_errors(const YamlNode& document, const LintFacts&, Findings& findings) {
  const YamlNode* spec = document.find("spec");
  if (spec == nullptr) return;
  const auto number = [](const YamlNode* node) {
    int value = 0;
    if (node != nullptr)
      std::from_chars(node->scalar.data(), node->scalar.data() + node->scalar.size(), value);
    return value;
  };
  for_each_entry(*spec, "spec", [&](const YamlNode::Entry& entry, const std::string& path) {
    if (entry.key != "outlierDetection") return;
    const YamlNode* gateway = entry.value.find("consecutiveGatewayErrors");
    const int all = number(entry.value.find("consecutive5xxErrors"));
    if (gateway != nullptr && all > 0 && number(gateway) >= all)
      findings.push_back({"istio-gateway-errors", gateway->mark, path + ".consecutiveGatewayErrors",
                          "has no effect: errors of the gateway are 5xx too, and "
                          "consecutive5xxErrors is reached first; write a lower one"});
  });
}

void per_try_timeout(const YamlNode& document, const LintFacts&, Findings& findings) {
  find_key(document, "istio-per-try-timeout", "perTryTimeout",
           "covers a whole try and not its first byte: a streamed generation that takes longer is "
           "cut and made again; make it longer than the longest answer, or leave it out",
           findings);
}

void fallback(const YamlNode& document, const LintFacts&, Findings& findings) {
  if (!is_kind(document, "VirtualService")) return;
  find_key(document, "istio-fallback", "fallback",
           "a VirtualService cannot send a request elsewhere after an error; use "
           "localityLbSetting.failoverPriority with outlierDetection in a DestinationRule, or "
           "resilience.fallback of a GenerativeService",
           findings);
}

constexpr LintRule kRules[] = {
    {"istio-mirror-place", "mirror in a DestinationRule", mirror_place},
    {"istio-mirror-percent", "mirrorPercent", mirror_percent},
    {"istio-consecutive-errors", "consecutiveErrors", consecutive_errors},
    {"istio-least-conn", "simple: LEAST_CONN", least_conn},
    {"istio-old-api", "v1alpha3 or v1beta1", old_api},
    {"istio-failover-alone", "localityLbSetting without outlierDetection", failover_alone},
    {"istio-gateway-errors", "consecutiveGatewayErrors that is reached too late", gateway_errors},
    {"istio-per-try-timeout", "perTryTimeout in front of streams", per_try_timeout},
    {"istio-fallback", "fallback in a VirtualService", fallback},
};

}  // namespace

std::span<const LintRule> istio_rules() { return kRules; }

}  // namespace serin::control
