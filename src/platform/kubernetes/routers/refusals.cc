// SPDX-License-Identifier: Apache-2.0
#include "platform/kubernetes/routers/refusals.h"

#include <vector>

namespace serin::platform::kubernetes {
namespace {

// Of every layer that is not our own.
constexpr Refusal kNotOurs[] = {
    {"rollout.stickyBy", "",
     "the cluster's proxies draw every request by itself, so that a user would change sides; write "
     "router: serin, or stickyBy: request"},
    {"rollout.strategy", "shadow",
     "a copy and the request that it is of would both be evidence, and the error rates would not "
     "hold; write router: serin, or strategy: canary"},
    {"rollout.analysis.scorers", "",
     "answers are kept for scorers by Serin's gateway; write router: serin, or leave it out"},
    {"access", "",
     "who somebody is is asked by Serin's gateway, and everybody would be let in; write router: "
     "serin, or leave it out and use a policy of the cluster's own"},
    {"resilience.hedging", "",
     "the cluster's proxies send no second try beside a first; write router: serin, or leave it "
     "out"},
    {"resilience.bulkhead", "",
     "each of the cluster's proxies counts its own requests only; write router: serin, or leave it "
     "out"},
    {"resilience.adaptiveConcurrency", "",
     "the cluster's proxies do not find a limit by first tokens; write router: serin, or leave it "
     "out"},
    {"resilience.loadShedding", "",
     "the cluster's proxies know neither deadlines nor priorities; write router: serin, or leave "
     "it out"},
    {"resilience.fallback.service", "",
     "the cluster's proxies do not ask another service after an error; write router: serin, or "
     "leave it out"},
    {"resilience.fallback.answer", "",
     "the cluster's proxies have no fixed answer after an error; write router: serin, or leave it "
     "out"},
};

constexpr std::string_view kWholeTry =
    "the cluster's proxies bound a whole try and not its first token, which would cut long "
    "answers; write router: serin, or leave it out";
constexpr std::string_view kNoCircuit =
    "the cluster's proxies eject workers and have no circuit of a whole service; write router: "
    "serin, or leave it out";
constexpr std::string_view kNoSuchEjection =
    "the layer ejects workers by errors in a row only; write router: serin, or leave it out";
constexpr std::string_view kNotInLayer =
    "the layer has no such thing; write router: serin, or "
    "leave it out";

constexpr Refusal kProxies[] = {
    {"resilience.firstTokenTimeout", "", kWholeTry},
    {"resilience.circuitBreaker.mode", "", kNoCircuit},
    {"resilience.circuitBreaker.slidingWindowType", "", kNoCircuit},
    {"resilience.circuitBreaker.slidingWindowSize", "", kNoCircuit},
    {"resilience.circuitBreaker.minimumNumberOfCalls", "", kNoCircuit},
    {"resilience.circuitBreaker.failureRateThreshold", "", kNoCircuit},
    {"resilience.circuitBreaker.slowCallRateThreshold", "", kNoCircuit},
    {"resilience.circuitBreaker.slowCallDurationThreshold", "", kNoCircuit},
    {"resilience.circuitBreaker.slowTokenDurationThreshold", "", kNoCircuit},
    {"resilience.circuitBreaker.waitDurationInOpenState", "", kNoCircuit},
    {"resilience.circuitBreaker.permittedNumberOfCallsInHalfOpenState", "", kNoCircuit},
    {"resilience.circuitBreaker.maxWaitDurationInHalfOpenState", "", kNoCircuit},
    {"resilience.circuitBreaker.successRateMinimumHosts", "", kNoSuchEjection},
    {"resilience.circuitBreaker.successRateRequestVolume", "", kNoSuchEjection},
    {"resilience.circuitBreaker.successRateStdevFactor", "", kNoSuchEjection},
    {"resilience.circuitBreaker.latencyFactor", "", kNoSuchEjection},
    {"resilience.circuitBreaker.latencyMinimumHosts", "", kNoSuchEjection},
    {"resilience.circuitBreaker.latencyRequestVolume", "", kNoSuchEjection},
};

constexpr Refusal kIstio[] = {
    {"resilience.circuitBreaker.maxEjectionTime", "",
     "Istio's outlierDetection has no longest time; write router: serin, or leave it out"},
    {"resilience.loadBalancer", "prefixAware",
     "Istio does not see a conversation's cache; write router: serin, router: gatewayAPI with an "
     "endpointPicker, or leastRequest"},
};

constexpr Refusal kLinkerd[] = {
    {"resilience.retries.budget", "", kNotInLayer},
    {"resilience.retries.minRetryConcurrency", "", kNotInLayer},
    {"resilience.retries.backoff", "", kNotInLayer},
    {"resilience.connectionPool", "", kNotInLayer},
    {"resilience.circuitBreaker.interval", "", kNotInLayer},
    {"resilience.circuitBreaker.maxEjectionPercent", "", kNotInLayer},
    {"resilience.circuitBreaker.consecutiveGatewayErrors", "", kNotInLayer},
    {"resilience.loadBalancer", "",
     "Linkerd always balances by moving averages of response times; leave it out, or write router: "
     "serin"},
    {"resilience.fallback.otherVersion", "true", kNotInLayer},
    {"resilience.fault", "", kNotInLayer},
    {"resilience.mirror", "",
     "Linkerd's HTTPRoute copies no requests; write router: serin, or leave it out"},
};

constexpr Refusal kGatewayApi[] = {
    {"resilience.retries", "",
     "retries are not in the Gateway API's standard channel; write router: serin or istio, or "
     "leave it out"},
    {"resilience.connectionPool", "", kNotInLayer},
    {"resilience.circuitBreaker", "", kNotInLayer},
    {"resilience.loadBalancer", "roundRobin", kNotInLayer},
    {"resilience.fallback.otherVersion", "true", kNotInLayer},
    {"resilience.fault", "", kNotInLayer},
};

std::vector<Refusal> joined(std::initializer_list<std::span<const Refusal>> tables) {
  std::vector<Refusal> all;
  for (const auto& table : tables) all.insert(all.end(), table.begin(), table.end());
  return all;
}

}  // namespace

std::span<const Refusal> refusals_of(Router router) {
  static const std::vector<Refusal> kOfIstio = joined({kNotOurs, kProxies, kIstio});
  static const std::vector<Refusal> kOfLinkerd = joined({kNotOurs, kProxies, kLinkerd});
  static const std::vector<Refusal> kOfGatewayApi = joined({kNotOurs, kProxies, kGatewayApi});
  switch (router) {
    case Router::kSerin:
      return {};
    case Router::kIstio:
      return kOfIstio;
    case Router::kLinkerd:
      return kOfLinkerd;
    case Router::kGatewayApi:
      return kOfGatewayApi;
  }
  return {};
}

}  // namespace serin::platform::kubernetes
