// SPDX-License-Identifier: Apache-2.0
#include "net/sse.h"

#include <utility>

namespace serin::net {

namespace {

constexpr std::string_view kByteOrderMark = "\xEF\xBB\xBF";

// A field of one line: a line end in it would begin another field.
void append_line(std::string& out, std::string_view field, std::string_view value) {
  out += field;
  for (const char c : value) out += c == '\n' || c == '\r' ? ' ' : c;
  out += '\n';
}

}  // namespace

std::string to_sse(const SseEvent& event) {
  std::string out;
  out.reserve(event.data.size() + 32);
  if (!event.event.empty()) append_line(out, "event: ", event.event);
  if (!event.id.empty()) append_line(out, "id: ", event.id);
  std::string_view rest = event.data;
  while (true) {
    // The format has three line ends and a parser gives each back as a line feed.
    const std::size_t end = rest.find_first_of("\r\n");
    out += "data: ";
    out += rest.substr(0, end);
    out += '\n';
    if (end == std::string_view::npos) break;
    const bool pair = rest[end] == '\r' && end + 1 < rest.size() && rest[end + 1] == '\n';
    rest.remove_prefix(end + (pair ? 2 : 1));
  }
  out += '\n';
  return out;
}

bool SseParser::feed(std::string_view bytes, std::vector<SseEvent>& complete) {
  while (!bytes.empty()) {
    if (after_carriage_return_) {
      after_carriage_return_ = false;
      if (bytes.front() == '\n') {
        bytes.remove_prefix(1);
        continue;
      }
    }
    const std::size_t end = bytes.find_first_of("\r\n");
    const std::string_view piece = bytes.substr(0, end);
    if (line_.size() + pending_.data.size() + piece.size() > event_limit_) return false;
    line_ += piece;
    if (end == std::string_view::npos) return true;
    after_carriage_return_ = bytes[end] == '\r';
    bytes.remove_prefix(end + 1);
    end_line(complete);
  }
  return true;
}

void SseParser::end_line(std::vector<SseEvent>& complete) {
  std::string_view line = line_;
  if (std::exchange(at_start_, false) && line.starts_with(kByteOrderMark)) line.remove_prefix(3);
  if (line.empty()) {
    if (has_data_) {
      pending_.data.pop_back();  // the line feed after the last line of data
      complete.push_back(std::move(pending_));
    }
    pending_ = {};
    has_data_ = false;
  } else {
    const std::size_t colon = line.find(':');
    const std::string_view field = line.substr(0, colon);
    std::string_view value =
        colon == std::string_view::npos ? std::string_view{} : line.substr(colon + 1);
    if (value.starts_with(' ')) value.remove_prefix(1);
    if (field == "data") {
      pending_.data += value;
      pending_.data += '\n';
      has_data_ = true;
    } else if (field == "event") {
      pending_.event = value;
    } else if (field == "id" && value.find('\0') == std::string_view::npos) {
      pending_.id = value;
    }
  }
  line_.clear();
}

}  // namespace serin::net
