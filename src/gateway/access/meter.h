// SPDX-License-Identifier: Apache-2.0
// What one key has used, and whether it may have more: requests and tokens a minute (token
// buckets), requests at once, and quotas a day (from midnight to midnight, UTC).
//
// How many tokens a request costs is known when it has ended. It begins with an estimate, which is
// set aside; the end takes what it really was, so a bucket may fall below nothing and the next
// requests wait until it has filled up again.
//
// One thread; time is given.
#pragma once

#include <cstdint>

#include "base/clock.h"
#include "base/error.h"
#include "gateway/access/keys.h"
#include "gateway/access/usage_book.h"

namespace serin::gateway {

// Holds up to `capacity`, fills up evenly in `period`.
class TokenBucket {
 public:
  // A bucket that was there keeps what is missing of it.
  void set(double capacity, Duration period);

  double level(Instant now) const;
  void take(double amount, Instant now);  // below nothing too; a negative amount gives back
  Duration until(double amount, Instant now) const;  // when there will be so much; zero: there is

 private:
  double capacity_ = 0;
  double per_second_ = 0;
  double missing_ = 0;
  Instant looked_{};
};

class Meter {
 public:
  using Wall = std::chrono::system_clock::time_point;

  void set(const KeyLimits& limits);

  // What a request holds of the meter until its end.
  struct Share {
    double tokens = 0;
    std::int64_t day = 0;
  };
  // kResourceExhausted with retry_after: "rate_limited" (a minute's bound, or requests at once) or
  // "quota_exceeded" (a day's).
  Result<Share> begin(double estimated_tokens, Instant now, Wall wall);
  // `tokens` were used. What the request counts for today, which is not a new day's where it began
  // on the day before.
  KeyUsage end(const Share& share, double tokens, Instant now, Wall wall);
  // So much was used today, before this meter was there.
  void resume(KeyUsage used, Wall wall);
  bool has_quota() const { return limits_.requests_per_day > 0 || limits_.tokens_per_day > 0; }

  std::int64_t in_flight() const { return in_flight_; }
  // For the answer's heads.
  double requests_left(Instant now) const { return requests_.level(now); }
  double tokens_left(Instant now) const { return tokens_.level(now); }
  const KeyLimits& limits() const { return limits_; }

 private:
  void pass_day(Wall wall);
  Status check_minute(double tokens, Instant now) const;
  Status check_day(double tokens, Wall wall) const;

  KeyLimits limits_;
  TokenBucket requests_, tokens_;
  std::int64_t in_flight_ = 0;
  std::int64_t day_ = 0;
  double requests_today_ = 0, tokens_today_ = 0;
};

// Since 1970, UTC.
std::int64_t day_of(Meter::Wall wall);

// What a request may cost: its prompt, at four bytes a token, and the answer that it asks for.
double estimated_tokens(std::uint64_t prompt_bytes, double max_tokens);

}  // namespace serin::gateway
