// SPDX-License-Identifier: Apache-2.0
// Whether a request is refused at once because it could not be served in time. A request that waits
// until its deadline costs everybody behind it, and its client learns nothing sooner.
//
// How long it would wait is the number of requests that wait for their first token, by how many
// first tokens come in a second while any are waited for. That is believed only where somebody has
// really waited for half as long: a sudden crowd before idle workers is no queue yet.
//
// One thread; time is given.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <optional>
#include <string_view>

#include "base/clock.h"

namespace serin::gateway {

// Who is refused first when there is not enough for all.
enum class Priority : std::uint8_t { kLow, kNormal, kHigh };
std::string_view name_of(Priority priority);  // "low", "normal", "high"
std::optional<Priority> priority_of(std::string_view name);

// What a priority may use: of a limit on requests in flight, and of the time until a deadline.
struct PriorityShares {
  double low = 0.7;
  double normal = 0.9;
  double of(Priority priority) const {
    return priority == Priority::kLow ? low : priority == Priority::kNormal ? normal : 1;
  }
  bool operator==(const PriorityShares&) const = default;
};

// The requests of a service that wait for their first token.
class FirstTokenQueue {
 public:
  using Ticket = std::uint64_t;
  Ticket began(Instant now);
  void first_token(Ticket ticket, Instant now);  // or the end of a request that never had one
  void gave_up(Ticket ticket, Instant now);      // it left the queue and nothing was served

  std::size_t waiting() const { return waiting_.size(); }
  Duration oldest(Instant now) const;  // how long the first of the queue has waited
  // How long a request that begins now would wait for its first token; zero where nothing says so.
  Duration wait(Instant now) const;

 private:
  // Time in which some request waited, and how many first tokens came in it.
  struct Cell {
    double busy = 0;
    double tokens = 0;
  };
  static constexpr std::size_t kCells = 10;  // of a second each

  void pass_time(Instant now);
  void leave(Ticket ticket, Instant now, bool served);

  std::map<Ticket, Instant> waiting_;  // the oldest first
  Ticket next_ = 1;
  Instant last_{};
  std::array<Cell, kCells> cells_{};
  std::int64_t second_ = 0;
};

// How long to tell the client to wait; none: the request may begin. `remaining` is the time until
// its first token is late.
std::optional<Duration> shed(const FirstTokenQueue& queue, Duration remaining, Priority priority,
                             const PriorityShares& shares, Instant now);

}  // namespace serin::gateway
