// SPDX-License-Identifier: Apache-2.0
#include "worker/upstream/log_lines.h"

#include <utility>

namespace serin::worker {

void LogLines::feed(std::string_view bytes, Instant now) {
  while (!bytes.empty()) {
    const std::size_t end = bytes.find('\n');
    const std::string_view piece = bytes.substr(0, end);
    const std::size_t room = line_bytes_ - pending_.size();
    pending_ += piece.substr(0, room);
    cut_ = cut_ || piece.size() > room;
    if (end == std::string_view::npos) return;
    bytes.remove_prefix(end + 1);
    line(now);
  }
}

void LogLines::end(Instant now) {
  if (!pending_.empty()) line(now);
}

void LogLines::line(Instant now) {
  std::string text = std::exchange(pending_, {});
  if (std::exchange(cut_, false)) text += " …";
  if (text.ends_with('\r')) text.pop_back();
  if (text.empty()) return;
  if (const auto dropped = room_.take(now)) write_(text, *dropped);
}

}  // namespace serin::worker
