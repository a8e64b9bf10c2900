// SPDX-License-Identifier: Apache-2.0
// What a watch says: one JSON object a line. Pure; what comes is not trusted to be well formed.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

#include "base/error.h"
#include "base/json.h"

namespace serin::platform::kubernetes {

struct WatchEvent {
  enum class Kind : std::uint8_t {
    kPut,       // the object as it is now: new, or changed
    kGone,      // the object as it was last
    kBookmark,  // nothing but a version to go on from
  };
  Kind kind = Kind::kPut;
  json::value object;
};

// kInvalidArgument for what is no event; an event of an error is that error (kOutOfRange where the
// version that the watch began at is too old).
Result<WatchEvent> parse_watch_event(std::string_view line);

// Bytes as they come, as lines.
class Lines {
 public:
  explicit Lines(std::size_t longest) : longest_(longest) {}

  // Calls `each` with every line that has come to its end, without that, and leaves at the first
  // error. kInvalidArgument for a line that is longer than may be.
  Status feed(std::string_view bytes, const std::function<Status(std::string_view)>& each);
  bool in_line() const { return !begun_.empty(); }  // what came last has no end yet

 private:
  std::size_t longest_;
  std::string begun_;
};

}  // namespace serin::platform::kubernetes
