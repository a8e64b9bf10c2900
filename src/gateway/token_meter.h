// SPDX-License-Identifier: Apache-2.0
// How fast tokens of a stream of server-sent events come, from its bytes as they pass: events are
// counted by the empty lines that end them, and nothing is parsed. One request, one thread.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "base/clock.h"

namespace serin::gateway {

class TokenMeter {
 public:
  void add(std::string_view bytes, Instant now) {
    if (!first_) first_ = now;
    std::uint64_t ended = 0;
    while (!bytes.empty()) {
      const std::size_t end = bytes.find('\n');
      const std::string_view line = bytes.substr(0, end);
      if (!line.empty() && line != "\r") line_empty_ = false;
      if (end == std::string_view::npos) break;
      if (line_empty_ && line_before_) ++ended;
      line_before_ = !line_empty_;
      line_empty_ = true;
      bytes.remove_prefix(end + 1);
    }
    if (ended > 0) last_ = now;
    events_ += ended;
  }

  std::uint64_t events() const { return events_; }
  std::optional<Instant> first() const { return first_; }
  // Between two events, on average; unset with fewer than two.
  std::optional<Duration> per_token() const {
    if (events_ < 2 || !last_) return std::nullopt;
    return (*last_ - *first_) / static_cast<std::int64_t>(events_ - 1);
  }

 private:
  std::optional<Instant> first_;
  std::optional<Instant> last_;
  std::uint64_t events_ = 0;
  bool line_empty_ = true;
  bool line_before_ = false;  // the line before this one held something
};

}  // namespace serin::gateway
