// SPDX-License-Identifier: Apache-2.0
#include "gateway/policy/shed.h"

#include <algorithm>

#include "gateway/policy/seconds.h"

namespace serin::gateway {
std::string_view name_of(Priority priority) {
  switch (priority) {
    case Priority::kLow:
      return "low";
    case Priority::kNormal:
      return "normal";
    case Priority::kHigh:
      return "high";
  }
  return "";
}

std::optional<Priority> priority_of(std::string_view name) {
  for (const Priority one : {Priority::kLow, Priority::kNormal, Priority::kHigh}) {
    if (name == name_of(one)) return one;
  }
  return std::nullopt;
}

void FirstTokenQueue::pass_time(Instant now) {
  const std::int64_t second = whole_seconds(now);
  for (auto left = std::min<std::int64_t>(second - second_, kCells); left > 0; --left)
    cells_[static_cast<std::size_t>(second - left + 1) % kCells] = {};
  second_ = std::max(second_, second);
  // Time without a break in waiting is added where it ends.
  if (!waiting_.empty() && last_ != Instant{}) {
    const double passed = std::min(to_seconds(now - last_), static_cast<double>(kCells));
    cells_[static_cast<std::size_t>(second_) % kCells].busy += std::max(0.0, passed);
  }
  last_ = now;
}

FirstTokenQueue::Ticket FirstTokenQueue::began(Instant now) {
  pass_time(now);
  waiting_.emplace_hint(waiting_.end(), next_, now);
  return next_++;
}

void FirstTokenQueue::leave(Ticket ticket, Instant now, bool served) {
  pass_time(now);
  if (waiting_.erase(ticket) > 0 && served)
    cells_[static_cast<std::size_t>(second_) % kCells].tokens += 1;
}

void FirstTokenQueue::first_token(Ticket ticket, Instant now) { leave(ticket, now, true); }
void FirstTokenQueue::gave_up(Ticket ticket, Instant now) { leave(ticket, now, false); }

Duration FirstTokenQueue::oldest(Instant now) const {
  return waiting_.empty() ? Duration{} : now - waiting_.begin()->second;
}

Duration FirstTokenQueue::wait(Instant now) const {
  Cell sum;
  for (const Cell& cell : cells_) {
    sum.busy += cell.busy;
    sum.tokens += cell.tokens;
  }
  if (sum.tokens <= 0 || sum.busy <= 0) return {};
  const double predicted = static_cast<double>(waiting_.size()) * sum.busy / sum.tokens;
  return to_seconds(oldest(now)) * 2 >= predicted ? from_seconds(predicted) : Duration{};
}

std::optional<Duration> shed(const FirstTokenQueue& queue, Duration remaining, Priority priority,
                             const PriorityShares& shares, Instant now) {
  const Duration wait = queue.wait(now);
  const Duration allowed = from_seconds(to_seconds(remaining) * shares.of(priority));
  if (wait <= allowed) return std::nullopt;
  return std::max<Duration>(wait - allowed, std::chrono::seconds(1));
}

}  // namespace serin::gateway
