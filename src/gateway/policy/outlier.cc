// SPDX-License-Identifier: Apache-2.0
#include "gateway/policy/outlier.h"

#include <algorithm>
#include <cmath>

#include "gateway/policy/seconds.h"

namespace serin::gateway {

std::string_view name_of(EjectionReason reason) {
  switch (reason) {
    case EjectionReason::kConsecutive5xx:
      return "consecutive_5xx";
    case EjectionReason::kConsecutiveGatewayErrors:
      return "consecutive_gateway_errors";
    case EjectionReason::kSuccessRate:
      return "success_rate";
    case EjectionReason::kLatency:
      return "latency";
  }
  return "";
}

void Outliers::set(const OutlierLimits& limits, const std::vector<std::string>& replicas) {
  limits_ = limits;
  std::erase_if(hosts_, [&](const auto& host) {
    return std::ranges::find(replicas, host.first) == replicas.end();
  });
  for (const std::string& replica : replicas) hosts_.try_emplace(replica);
}

bool Outliers::ejected(std::string_view replica, Instant now) const {
  const auto found = hosts_.find(replica);
  return found != hosts_.end() && now < found->second.ejected_until;
}

std::size_t Outliers::ejected(Instant now) const {
  return static_cast<std::size_t>(std::ranges::count_if(
      hosts_, [&](const auto& host) { return now < host.second.ejected_until; }));
}

void Outliers::count(Host& host, const Attempt& attempt) {
  ++host.requests;
  if (attempt.first_token) host.first_tokens.add(*attempt.first_token);
  if (!is_5xx(attempt.end)) {
    ++host.successes;
    host.consecutive_5xx = host.consecutive_gateway = 0;
    return;
  }
  ++host.consecutive_5xx;
  host.consecutive_gateway =
      attempt.end == AttemptEnd::kGatewayError ? host.consecutive_gateway + 1 : 0;
}

std::vector<Ejection> Outliers::ended(std::string_view replica, const Attempt& attempt,
                                      Instant now) {
  std::vector<Ejection> ejections;
  const auto found = hosts_.find(replica);
  if (found == hosts_.end() || attempt.end == AttemptEnd::kAbandoned) return ejections;
  Host& host = found->second;
  if (looked_ == Instant{}) looked_ = now;
  count(host, attempt);
  // Tries that began before an ejection end during it: they are no reason for another one.
  if (now >= host.ejected_until) {
    const auto reached = [](int count, int limit) { return limit > 0 && count >= limit; };
    if (reached(host.consecutive_5xx, limits_.consecutive_5xx_errors)) {
      eject(found->first, host, EjectionReason::kConsecutive5xx, now, ejections);
    } else if (reached(host.consecutive_gateway, limits_.consecutive_gateway_errors)) {
      eject(found->first, host, EjectionReason::kConsecutiveGatewayErrors, now, ejections);
    }
  }
  if (now - looked_ >= limits_.interval) look(now, ejections);
  return ejections;
}

void Outliers::eject(const std::string& replica, Host& host, EjectionReason reason, Instant now,
                     std::vector<Ejection>& ejections) {
  const std::size_t after = ejected(now) + 1;
  const auto percent = static_cast<std::size_t>(limits_.max_ejection_percent);
  if (after >= hosts_.size() || after * 100 > hosts_.size() * percent) return;
  ++host.ejections;
  const Duration time =
      std::min<Duration>(limits_.base_ejection_time * host.ejections,
                         std::max(limits_.base_ejection_time, limits_.max_ejection_time));
  host.ejected_until = now + time;
  host.consecutive_5xx = host.consecutive_gateway = 0;
  ejections.push_back({replica, reason, time});
}

void Outliers::look(Instant now, std::vector<Ejection>& ejections) {
  const int intervals = static_cast<int>(std::min<std::int64_t>(
      (now - looked_) / std::max<Duration>(limits_.interval, milliseconds(1)), 1000));
  looked_ = now;
  judge_success_rates(now, ejections);
  judge_latencies(now, ejections);
  for (auto& [replica, host] : hosts_) {
    if (now - limits_.interval >= host.ejected_until)
      host.ejections = std::max(0, host.ejections - intervals);
    host.requests = host.successes = 0;
    host.first_tokens.clear();
  }
}

void Outliers::judge_success_rates(Instant now, std::vector<Ejection>& ejections) {
  const auto enough = [&](const Host& host) {
    return now >= host.ejected_until &&
           host.requests >= static_cast<std::uint64_t>(limits_.success_rate_request_volume) &&
           host.requests > 0;
  };
  const auto rate = [](const Host& host) {
    return static_cast<double>(host.successes) / static_cast<double>(host.requests);
  };
  double judged = 0, sum = 0, squares = 0;
  for (const auto& [replica, host] : hosts_) {
    if (!enough(host)) continue;
    judged += 1;
    sum += rate(host);
    squares += rate(host) * rate(host);
  }
  if (limits_.success_rate_minimum_hosts == 0 || judged < limits_.success_rate_minimum_hosts)
    return;
  const double mean = sum / judged;
  const double deviation = std::sqrt(std::max(0.0, squares / judged - mean * mean));
  const double least = mean - limits_.success_rate_stdev_factor * deviation;
  for (auto& [replica, host] : hosts_) {
    // Rounding must not eject where all are the same.
    if (enough(host) && rate(host) < least - 1e-9)
      eject(replica, host, EjectionReason::kSuccessRate, now, ejections);
  }
}

void Outliers::judge_latencies(Instant now, std::vector<Ejection>& ejections) {
  std::vector<std::pair<Duration, std::string_view>> medians;
  for (const auto& [replica, host] : hosts_) {
    if (now >= host.ejected_until && host.first_tokens.count() >= limits_.latency_request_volume)
      medians.emplace_back(host.first_tokens.quantile(0.5), replica);
  }
  const auto judged = static_cast<int>(medians.size());
  if (limits_.latency_factor <= 0 || judged < std::max(2, limits_.latency_minimum_hosts)) return;
  std::ranges::sort(medians);
  for (std::size_t i = medians.size(); i-- > 1;) {
    // The median of the others, the lower one where there are two.
    const std::size_t middle = (medians.size() - 2) / 2;
    const Duration others = medians[middle < i ? middle : middle + 1].first;
    if (to_seconds(medians[i].first) <= limits_.latency_factor * to_seconds(others)) break;
    const auto found = hosts_.find(medians[i].second);
    eject(found->first, found->second, EjectionReason::kLatency, now, ejections);
  }
}

}  // namespace serin::gateway
