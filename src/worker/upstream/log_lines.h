// SPDX-License-Identifier: Apache-2.0
// A command's output as log lines: cut into lines, each bounded, and only so many a second. Pure
// but for what waits for its line feed; one owner.
#pragma once

#include <functional>
#include <string>
#include <string_view>

#include "base/clock.h"
#include "base/log_room.h"

namespace serin::worker {

struct LogLimits {
  std::size_t line_bytes = 4096;
  int lines_per_second = 100;
};

class LogLines {
 public:
  // `write` gets a line and how many were dropped before it.
  using Write = std::function<void(std::string_view line, std::uint64_t dropped)>;
  explicit LogLines(Write write, LogLimits limits = {})
      : write_(std::move(write)),
        line_bytes_(limits.line_bytes),
        room_(limits.lines_per_second, std::chrono::seconds(1)) {}

  void feed(std::string_view bytes, Instant now);
  void end(Instant now);  // what has no line feed yet is a line too

 private:
  void line(Instant now);

  Write write_;
  const std::size_t line_bytes_;
  std::string pending_;
  bool cut_ = false;
  LogRoom room_;
};

}  // namespace serin::worker
