// SPDX-License-Identifier: Apache-2.0
#include "platform/kubernetes/client/watch_event.h"

#include <utility>

#include "platform/kubernetes/client/object.h"
#include "platform/kubernetes/client/status.h"

namespace serin::platform::kubernetes {

Result<WatchEvent> parse_watch_event(std::string_view line) {
  SERIN_TRY_ASSIGN(json::value parsed, parse_json(line, kObjectLimits));
  const std::string type(text_at(parsed, "/type"));
  const json::value* object = value_at(parsed, "/object");
  if (type.empty() || object == nullptr || !object->is_object())
    return invalid("a watch's event has a type and an object");
  if (type == "ERROR") return fail(error_of_status(*object));
  WatchEvent event;
  if (type == "DELETED") {
    event.kind = WatchEvent::Kind::kGone;
  } else if (type == "BOOKMARK") {
    event.kind = WatchEvent::Kind::kBookmark;
  } else if (type != "ADDED" && type != "MODIFIED") {
    return invalid("no event of a watch is called " + type);
  }
  if (version_of(*object).empty()) return invalid("an event's object has no resourceVersion");
  if (event.kind != WatchEvent::Kind::kBookmark && text_at(*object, "/metadata/name").empty())
    return invalid("an event's object has no name");
  event.object = std::move(parsed.as_object()["object"]);
  return event;
}

Status Lines::feed(std::string_view bytes, const std::function<Status(std::string_view)>& each) {
  while (!bytes.empty()) {
    const std::size_t end = bytes.find('\n');
    const std::string_view piece = bytes.substr(0, end);
    if (begun_.size() + piece.size() > longest_)
      return invalid("a watch's event is longer than " + std::to_string(longest_) + " bytes");
    if (end == std::string_view::npos) {
      begun_ += piece;
      return {};
    }
    bytes.remove_prefix(end + 1);
    if (begun_.empty()) {
      if (!piece.empty()) SERIN_TRY(each(piece));
    } else {
      begun_ += piece;
      const std::string line = std::exchange(begun_, {});
      SERIN_TRY(each(line));
    }
  }
  return {};
}

}  // namespace serin::platform::kubernetes
