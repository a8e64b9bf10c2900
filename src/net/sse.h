// SPDX-License-Identifier: Apache-2.0
// Server-sent events (https://html.spec.whatwg.org/multipage/server-sent-events.html): writing and
// parsing.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace serin::net {

struct SseEvent {
  std::string event;  // empty: "message"
  std::string data;   // may hold line feeds
  std::string id;     // empty: none
};

std::string to_sse(const SseEvent& event);

// Feed pieces of a stream as they come; take the events that are complete.
class SseParser {
 public:
  explicit SseParser(std::size_t event_limit = 1 << 20) : event_limit_(event_limit) {}
  // False when an event passes the limit; the parser is then of no more use.
  bool feed(std::string_view bytes, std::vector<SseEvent>& complete);

 private:
  void end_line(std::vector<SseEvent>& complete);

  std::size_t event_limit_;
  bool at_start_ = true;
  std::string line_;
  bool after_carriage_return_ = false;
  SseEvent pending_;
  bool has_data_ = false;
};

}  // namespace serin::net
