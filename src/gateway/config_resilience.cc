// SPDX-License-Identifier: Apache-2.0
#include "gateway/config_parts.h"

namespace serin::gateway {
namespace {

using Balancer = Resilience::Balancer;
using Mode = BreakerLimits::Mode;
using Window = BreakerLimits::Window;

constexpr std::initializer_list<std::pair<std::string_view, Balancer>> kBalancers = {
    {"leastRequest", Balancer::kLeastRequest},
    {"prefixAware", Balancer::kPrefixAware},
    {"roundRobin", Balancer::kRoundRobin}};
constexpr std::initializer_list<std::pair<std::string_view, Mode>> kModes = {
    {"on", Mode::kOn},
    {"metricsOnly", Mode::kMetricsOnly},
    {"disabled", Mode::kDisabled},
    {"forcedOpen", Mode::kForcedOpen}};
constexpr std::initializer_list<std::pair<std::string_view, Window>> kWindows = {
    {"countBased", Window::kCountBased}, {"timeBased", Window::kTimeBased}};

constexpr std::uint64_t kMany = 1'000'000;

template <class Choice>
std::string_view word_of(Choice choice,
                         std::initializer_list<std::pair<std::string_view, Choice>> choices) {
  for (const auto& [word, meaning] : choices) {
    if (meaning == choice) return word;
  }
  return {};
}

void read_outliers(Object& from, OutlierLimits& into) {
  from.integer("consecutive5xxErrors", into.consecutive_5xx_errors, 1000);
  from.integer("consecutiveGatewayErrors", into.consecutive_gateway_errors, 1000);
  from.duration("interval", into.interval);
  from.duration("baseEjectionTime", into.base_ejection_time);
  from.duration("maxEjectionTime", into.max_ejection_time);
  from.integer("maxEjectionPercent", into.max_ejection_percent, 100);
  from.integer("successRateMinimumHosts", into.success_rate_minimum_hosts, 1000);
  from.integer("successRateRequestVolume", into.success_rate_request_volume, kMany);
  from.number("successRateStdevFactor", into.success_rate_stdev_factor, 100);
  from.number("latencyFactor", into.latency_factor, 1000);
  from.integer("latencyMinimumHosts", into.latency_minimum_hosts, 1000);
  from.integer("latencyRequestVolume", into.latency_request_volume, kMany);
}

void read_breaker(Object& from, BreakerLimits& into) {
  from.choice("mode", into.mode, kModes);
  from.choice("slidingWindowType", into.sliding_window_type, kWindows);
  from.integer("slidingWindowSize", into.sliding_window_size, 100'000);
  from.integer("minimumNumberOfCalls", into.minimum_number_of_calls, 100'000);
  from.number("failureRateThreshold", into.failure_rate_threshold, 100);
  from.number("slowCallRateThreshold", into.slow_call_rate_threshold, 100);
  from.duration("slowCallDurationThreshold", into.slow_call_duration_threshold);
  from.duration("slowTokenDurationThreshold", into.slow_token_duration_threshold);
  from.duration("waitDurationInOpenState", into.wait_duration_in_open_state);
  from.integer("permittedNumberOfCallsInHalfOpenState",
               into.permitted_number_of_calls_in_half_open_state, 10'000);
  from.duration("maxWaitDurationInHalfOpenState", into.max_wait_duration_in_half_open_state);
  if (into.sliding_window_size == 0) from.wrong("slidingWindowSize", "must be 1 at least");
  if (into.permitted_number_of_calls_in_half_open_state == 0)
    from.wrong("permittedNumberOfCallsInHalfOpenState", "must be 1 at least");
  // At 0 every call would open it, the good ones too.
  if (into.failure_rate_threshold <= 0) from.wrong("failureRateThreshold", "must be more than 0");
  if (into.slow_call_rate_threshold <= 0)
    from.wrong("slowCallRateThreshold", "must be more than 0");
}

json::object write_breaker(const OutlierLimits& outliers, const BreakerLimits& breaker) {
  return {
      {"consecutive5xxErrors", outliers.consecutive_5xx_errors},
      {"consecutiveGatewayErrors", outliers.consecutive_gateway_errors},
      {"interval", text_of(outliers.interval)},
      {"baseEjectionTime", text_of(outliers.base_ejection_time)},
      {"maxEjectionTime", text_of(outliers.max_ejection_time)},
      {"maxEjectionPercent", outliers.max_ejection_percent},
      {"successRateMinimumHosts", outliers.success_rate_minimum_hosts},
      {"successRateRequestVolume", outliers.success_rate_request_volume},
      {"successRateStdevFactor", outliers.success_rate_stdev_factor},
      {"latencyFactor", outliers.latency_factor},
      {"latencyMinimumHosts", outliers.latency_minimum_hosts},
      {"latencyRequestVolume", outliers.latency_request_volume},
      {"mode", word_of(breaker.mode, kModes)},
      {"slidingWindowType", word_of(breaker.sliding_window_type, kWindows)},
      {"slidingWindowSize", breaker.sliding_window_size},
      {"minimumNumberOfCalls", breaker.minimum_number_of_calls},
      {"failureRateThreshold", breaker.failure_rate_threshold},
      {"slowCallRateThreshold", breaker.slow_call_rate_threshold},
      {"slowCallDurationThreshold", text_of(breaker.slow_call_duration_threshold)},
      {"slowTokenDurationThreshold", text_of(breaker.slow_token_duration_threshold)},
      {"waitDurationInOpenState", text_of(breaker.wait_duration_in_open_state)},
      {"permittedNumberOfCallsInHalfOpenState",
       breaker.permitted_number_of_calls_in_half_open_state},
      {"maxWaitDurationInHalfOpenState", text_of(breaker.max_wait_duration_in_half_open_state)}};
}

void read_adaptive(Object& from, ConcurrencyLimits& into) {
  from.flag("enabled", into.enabled);
  from.integer("minLimit", into.min_limit, kMany);
  from.integer("maxLimit", into.max_limit, kMany);
  from.integer("initialLimit", into.initial_limit, kMany);
  from.number("rttTolerance", into.rtt_tolerance, 100);
  from.number("smoothing", into.smoothing, 1);
  from.integer("queueSize", into.queue_size, 1000);
  from.duration("longWindow", into.long_window);
  if (into.min_limit < 1) from.wrong("minLimit", "must be 1 at least");
  if (into.max_limit < into.min_limit) from.wrong("maxLimit", "must be minLimit at least");
  if (into.long_window <= milliseconds(0)) from.wrong("longWindow", "must be more than nothing");
}

json::object write_adaptive(const ConcurrencyLimits& from) {
  return {{"enabled", from.enabled},
          {"minLimit", from.min_limit},
          {"maxLimit", from.max_limit},
          {"initialLimit", from.initial_limit},
          {"rttTolerance", from.rtt_tolerance},
          {"smoothing", from.smoothing},
          {"queueSize", from.queue_size},
          {"longWindow", text_of(from.long_window)}};
}

void read_guard(Object& object, GuardLimits& into) {
  object.object("bulkhead", [&](Object& bulkhead) {
    bulkhead.integer("maxConcurrentCalls", into.max_concurrent_calls, kMany);
  });
  object.object("adaptiveConcurrency", [&](Object& from) { read_adaptive(from, into.adaptive); });
  object.object("loadShedding", [&](Object& shedding) {
    shedding.flag("deadline", into.shed_deadlines);
    shedding.share("lowPriority", into.priorities.low);
    shedding.share("normalPriority", into.priorities.normal);
  });
  object.object("hedging", [&](Object& hedging) {
    hedging.share("maxExtraLoad", into.hedging.max_extra_load);
    hedging.number("quantile", into.hedging.quantile, 1);
    hedging.duration("minDelay", into.hedging.min_delay);
  });
}

void read_fallback(Object& from, FallbackRules& into) {
  from.flag("otherVersion", into.other_version);
  from.text("service", into.service);
  from.object("answer", [&](Object& answer) {
    FixedAnswer& made = into.answer.emplace();
    answer.integer("status", made.status, 599);
    answer.text("contentType", made.content_type);
    answer.text("body", made.body);
    if (made.status < 200) answer.wrong("status", "must be from 200 to 599");
  });
}

json::object write_fallback(const FallbackRules& from) {
  json::object fields{{"otherVersion", from.other_version}};
  if (!from.service.empty()) fields["service"] = from.service;
  if (from.answer)
    fields["answer"] = json::object{{"status", from.answer->status},
                                    {"contentType", from.answer->content_type},
                                    {"body", from.answer->body}};
  return fields;
}

void read_fault(Object& from, FaultRules& into) {
  from.text("header", into.header);
  from.object("delay", [&](Object& delay) {
    into.delay_percentage = 100;
    delay.number("percentage", into.delay_percentage, 100);
    delay.duration("fixedDelay", into.fixed_delay);
  });
  from.object("abort", [&](Object& abort) {
    into.abort_percentage = 100;
    abort.number("percentage", into.abort_percentage, 100);
    abort.integer("httpStatus", into.http_status, 599);
    if (into.http_status < 400) abort.wrong("httpStatus", "must be from 400 to 599");
  });
}

json::object write_fault(const FaultRules& from) {
  json::object fields{{"delay", json::object{{"percentage", from.delay_percentage},
                                             {"fixedDelay", text_of(from.fixed_delay)}}},
                      {"abort", json::object{{"percentage", from.abort_percentage},
                                             {"httpStatus", from.http_status}}}};
  if (!from.header.empty()) fields["header"] = from.header;
  return fields;
}

}  // namespace

void read_resilience_fields(Object& object, Resilience& into) {
  object.duration("timeout", into.timeout);
  object.duration("firstTokenTimeout", into.first_token_timeout);
  object.flag("resumeStreams", into.resume_streams);
  object.object("retries", [&](Object& retries) {
    retries.integer("attempts", into.retry_attempts, 10);
    retries.share("budget", into.retry_budget.share);
    retries.integer("minRetryConcurrency", into.retry_budget.min_retry_concurrency, 1000);
    retries.duration("backoff", into.retry_backoff);
  });
  object.object("connectionPool", [&](Object& pool) {
    pool.integer("maxConnections", into.max_connections, 100'000);
    pool.integer("maxPendingRequests", into.max_pending_requests, kMany);
    pool.integer("maxRequestsPerConnection", into.max_requests_per_connection, kMany);
  });
  object.object("circuitBreaker", [&](Object& breaker) {
    read_outliers(breaker, into.outliers);
    read_breaker(breaker, into.guard.breaker);
  });
  read_guard(object, into.guard);
  object.choice("loadBalancer", into.balancer, kBalancers);
  object.object("fallback", [&](Object& from) { read_fallback(from, into.fallback); });
  object.object("mirror", [&](Object& mirror) {
    mirror.text("service", into.mirror_service);
    mirror.number("percent", into.mirror_percent, 100);
  });
  object.object("fault", [&](Object& from) { read_fault(from, into.fault); });
}

json::object write_resilience(const Resilience& from) {
  const GuardLimits& guard = from.guard;
  json::object fields{
      {"timeout", text_of(from.timeout)},
      {"firstTokenTimeout", text_of(from.first_token_timeout)},
      {"resumeStreams", from.resume_streams},
      {"retries", json::object{{"attempts", from.retry_attempts},
                               {"budget", from.retry_budget.share},
                               {"minRetryConcurrency", from.retry_budget.min_retry_concurrency},
                               {"backoff", text_of(from.retry_backoff)}}},
      {"connectionPool",
       json::object{{"maxConnections", from.max_connections},
                    {"maxPendingRequests", from.max_pending_requests},
                    {"maxRequestsPerConnection", from.max_requests_per_connection}}},
      {"circuitBreaker", write_breaker(from.outliers, guard.breaker)},
      {"bulkhead", json::object{{"maxConcurrentCalls", guard.max_concurrent_calls}}},
      {"adaptiveConcurrency", write_adaptive(guard.adaptive)},
      {"loadShedding", json::object{{"deadline", guard.shed_deadlines},
                                    {"lowPriority", guard.priorities.low},
                                    {"normalPriority", guard.priorities.normal}}},
      {"hedging", json::object{{"maxExtraLoad", guard.hedging.max_extra_load},
                               {"quantile", guard.hedging.quantile},
                               {"minDelay", text_of(guard.hedging.min_delay)}}},
      {"loadBalancer", word_of(from.balancer, kBalancers)}};
  if (from.fallback != FallbackRules{}) fields["fallback"] = write_fallback(from.fallback);
  if (!from.mirror_service.empty())
    fields["mirror"] =
        json::object{{"service", from.mirror_service}, {"percent", from.mirror_percent}};
  if (from.fault != FaultRules{}) fields["fault"] = write_fault(from.fault);
  return fields;
}

Result<Resilience> read_resilience(const json::value& fields, std::string_view path) {
  Errors errors;
  Resilience made;
  Object object(errors, fields, std::string(path));
  read_resilience_fields(object, made);
  object.no_others();
  SERIN_TRY(errors.status());
  return made;
}

}  // namespace serin::gateway
