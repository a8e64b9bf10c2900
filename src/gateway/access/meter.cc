// SPDX-License-Identifier: Apache-2.0
#include "gateway/access/meter.h"

#include <algorithm>
#include <string>

#include "gateway/policy/attempt.h"
#include "gateway/policy/seconds.h"

namespace serin::gateway {
namespace {

using std::chrono::floor;
using Days = std::chrono::days;

constexpr Duration kMinute = std::chrono::minutes(1);

Error refused(std::string message, std::string reason, Duration wait) {
  Error error{Code::kResourceExhausted, std::move(message), std::move(reason)};
  error.retry_after = std::max(milliseconds(1), std::chrono::ceil<milliseconds>(wait));
  return error;
}

}  // namespace

std::int64_t day_of(Meter::Wall wall) { return floor<Days>(wall).time_since_epoch().count(); }

void TokenBucket::set(double capacity, Duration period) {
  capacity_ = capacity;
  per_second_ = capacity / to_seconds(period);
}

double TokenBucket::level(Instant now) const {
  const double filled = to_seconds(now - looked_) * per_second_;
  return capacity_ - std::max(0.0, missing_ - std::max(0.0, filled));
}

void TokenBucket::take(double amount, Instant now) {
  missing_ = std::max(0.0, capacity_ - level(now) + amount);
  looked_ = now;
}

Duration TokenBucket::until(double amount, Instant now) const {
  const double lacking = std::min(amount, capacity_) - level(now);
  return lacking <= 0 || per_second_ <= 0 ? Duration{} : from_seconds(lacking / per_second_);
}

void Meter::set(const KeyLimits& limits) {
  limits_ = limits;
  requests_.set(static_cast<double>(limits.requests_per_minute), kMinute);
  tokens_.set(static_cast<double>(limits.tokens_per_minute), kMinute);
}

void Meter::pass_day(Wall wall) {
  const std::int64_t day = day_of(wall);
  if (day == day_) return;
  day_ = day;
  requests_today_ = tokens_today_ = 0;
}

Status Meter::check_minute(double tokens, Instant now) const {
  const std::int64_t at_once = limits_.concurrency;
  if (at_once > 0 && in_flight_ >= at_once)
    return fail(refused(
        "this key has " + std::to_string(in_flight_) + " requests in flight, as many as it may",
        "rate_limited", std::chrono::seconds(1)));
  if (limits_.requests_per_minute > 0 && requests_.level(now) < 1)
    return fail(refused(
        "this key may make " + std::to_string(limits_.requests_per_minute) + " requests a minute",
        "rate_limited", requests_.until(1, now)));
  // A request that is larger than the bucket passes when the bucket is full.
  if (const Duration wait = tokens_.until(tokens, now);
      limits_.tokens_per_minute > 0 && wait > Duration{})
    return fail(refused("this key may use " + std::to_string(limits_.tokens_per_minute) +
                            " tokens a minute, prompts and answers together",
                        "rate_limited", wait));
  return {};
}

Status Meter::check_day(double tokens, Wall wall) const {
  const auto over = [](double used, double more, std::int64_t limit) {
    return limit > 0 && used + more > static_cast<double>(limit);
  };
  const auto until_midnight = std::chrono::ceil<milliseconds>(floor<Days>(wall) + Days(1) - wall);
  if (over(requests_today_, 1, limits_.requests_per_day))
    return fail(refused("this key may make " + std::to_string(limits_.requests_per_day) +
                            " requests a day, until midnight UTC",
                        "quota_exceeded", until_midnight));
  if (over(tokens_today_, std::min(tokens, 1.0), limits_.tokens_per_day))
    return fail(refused("this key may use " + std::to_string(limits_.tokens_per_day) +
                            " tokens a day, until midnight UTC",
                        "quota_exceeded", until_midnight));
  return {};
}

Result<Meter::Share> Meter::begin(double estimated_tokens, Instant now, Wall wall) {
  pass_day(wall);
  const double tokens =
      limits_.tokens_per_minute > 0
          ? std::min(estimated_tokens, static_cast<double>(limits_.tokens_per_minute))
          : estimated_tokens;
  SERIN_TRY(check_day(tokens, wall));
  SERIN_TRY(check_minute(tokens, now));
  ++in_flight_;
  requests_.take(1, now);
  tokens_.take(tokens, now);
  requests_today_ += 1;
  tokens_today_ += tokens;
  return Share{tokens, day_};
}

KeyUsage Meter::end(const Share& share, double tokens, Instant now, Wall wall) {
  pass_day(wall);
  --in_flight_;
  tokens_.take(tokens - share.tokens, now);
  // What was set aside yesterday is forgotten; what was used counts today.
  const bool began_today = share.day == day_;
  tokens_today_ += tokens - (began_today ? share.tokens : 0);
  return {began_today ? 1.0 : 0.0, tokens};
}

void Meter::resume(KeyUsage used, Wall wall) {
  pass_day(wall);
  requests_today_ += used.requests;
  tokens_today_ += used.tokens;
}

double estimated_tokens(std::uint64_t prompt_bytes, double max_tokens) {
  return 1 + static_cast<double>(prompt_bytes) / 4 + std::max(0.0, max_tokens);
}

}  // namespace serin::gateway
