// SPDX-License-Identifier: Apache-2.0
// How fast tokens of a stream of server-sent events come, and whether one of them says that the
// stream failed, from its bytes as they pass: events are counted by the empty lines that end them,
// and nothing is parsed. One request, one thread.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

#include "base/clock.h"

namespace serin::gateway {

class TokenMeter {
 public:
  void add(std::string_view bytes, Instant now) {
    if (!first_) first_ = now;
    const std::uint64_t before = events_;
    while (!bytes.empty()) {
      const std::size_t end = bytes.front() == '\n' ? 0 : bytes.find('\n');
      if (end != 0) see(bytes.substr(0, end));
      if (end == std::string_view::npos) break;
      end_line();
      bytes.remove_prefix(end + 1);
    }
    if (events_ > before) last_ = now;
  }

  std::uint64_t events() const { return events_; }
  // There was an event named "error".
  bool failed() const { return failed_; }
  std::optional<Instant> first() const { return first_; }
  // Between two events, on average; unset with fewer than two.
  std::optional<Duration> per_token() const {
    if (events_ < 2 || !last_) return std::nullopt;
    return (*last_ - *first_) / static_cast<std::int64_t>(events_ - 1);
  }

 private:
  // `piece` goes on with the present line.
  void see(std::string_view piece) {
    line_empty_ = line_empty_ && piece == "\r";
    const bool may_be_error =
        line_size_ == 0 ? piece.front() == kError.front() : line_size_ != kNotAnError;
    if (may_be_error) {
      look_for_error(piece);
    } else {
      line_size_ = kNotAnError;
    }
  }
  // Of the line line_size_ bytes have come, all as in kError.
  void look_for_error(std::string_view piece) {
    const std::string_view wanted = kError.substr(line_size_);
    const std::string_view seen = piece.substr(0, wanted.size());
    const std::string_view rest = piece.substr(seen.size());
    const bool like = wanted.starts_with(seen) && (rest.empty() || rest == "\r");
    line_size_ = like ? line_size_ + seen.size() : kNotAnError;
  }

  void end_line() {
    failed_ = failed_ || line_size_ == kError.size();
    line_size_ = 0;
    if (line_empty_ && line_before_) ++events_;
    line_before_ = !line_empty_;
    line_empty_ = true;
  }

  static constexpr std::string_view kError = "event: error";
  static constexpr std::size_t kNotAnError = ~std::size_t{0};

  std::optional<Instant> first_;
  std::optional<Instant> last_;
  std::uint64_t events_ = 0;
  bool line_empty_ = true;
  bool line_before_ = false;   // the line before this one held something
  std::size_t line_size_ = 0;  // of the present line, while it is like kError
  bool failed_ = false;
};

}  // namespace serin::gateway
