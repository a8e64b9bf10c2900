// SPDX-License-Identifier: Apache-2.0
#include "control/recent.h"

#include <algorithm>
#include <cmath>
#include <vector>

namespace serin::control {
namespace {

// Nearest rank. Sorts.
std::optional<double> quantile(std::vector<double>& values, double at) {
  if (values.empty()) return std::nullopt;
  std::ranges::sort(values);
  const auto rank = std::ceil(at * static_cast<double>(values.size()));
  return values[static_cast<std::size_t>(std::max(1.0, rank)) - 1];
}

}  // namespace

void Recent::add(Moment now, const rollout::Request& request) {
  if (request.outcome == rollout::Outcome::kCensored) return;
  if (since_ == Moment{}) since_ = now;
  const bool failed = request.outcome == rollout::Outcome::kFailed;
  ended_.push_back({.at = now,
                    .failed = failed,
                    .latency = failed ? std::nullopt : request.latency,
                    .first_token = failed ? std::nullopt : request.time_to_first_token});
  while (ended_.size() > kMost || ended_.front().at < now - kWindow) ended_.pop_front();
}

Lately Recent::lately(Moment now) const {
  Lately lately;
  std::vector<double> latencies;
  std::vector<double> first_tokens;
  double count = 0;
  double failed = 0;
  Moment first = now;
  for (const Ended& one : ended_) {
    if (one.at < now - kWindow) continue;
    first = std::min(first, one.at);
    ++count;
    failed += one.failed ? 1 : 0;
    if (one.latency && std::isfinite(*one.latency)) latencies.push_back(*one.latency);
    if (one.first_token && std::isfinite(*one.first_token))
      first_tokens.push_back(*one.first_token);
  }
  if (count == 0) return lately;
  // Not over time in which nothing was kept yet.
  const Moment begin = ended_.size() >= kMost ? first : std::max(since_, now - kWindow);
  const double seconds = std::max(1.0, std::chrono::duration<double>(now - begin).count());
  lately.rate = count / seconds;
  lately.errors = failed / count;
  lately.p50 = quantile(latencies, 0.5);
  lately.p95 = quantile(latencies, 0.95);
  lately.first_token_p95 = quantile(first_tokens, 0.95);
  return lately;
}

}  // namespace serin::control
