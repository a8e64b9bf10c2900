// SPDX-License-Identifier: Apache-2.0
// A command's output as log lines: cut into lines, each bounded, and only so many a second. Pure
// but for what waits for its line feed; one owner.
#pragma once

#include <functional>
#include <string>
#include <string_view>

#include "base/clock.h"

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
      : write_(std::move(write)), limits_(limits) {}

  void feed(std::string_view bytes, Instant now);
  void end(Instant now);  // what has no line feed yet is a line too

 private:
  void line(Instant now);

  Write write_;
  LogLimits limits_;
  std::string pending_;
  bool cut_ = false;
  Instant second_{};  // when the present second of counting began
  int written_ = 0;   // in it
  std::uint64_t dropped_ = 0;
};

}  // namespace serin::worker
