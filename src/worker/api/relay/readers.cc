// SPDX-License-Identifier: Apache-2.0
#include "worker/api/relay/readers.h"

namespace serin::worker::api {

std::string_view essence(std::string_view content_type) {
  content_type = content_type.substr(0, content_type.find(';'));
  while (content_type.ends_with(' ')) content_type.remove_suffix(1);
  return content_type;
}

void count_usage(Call& call, const json::object& answer) {
  if (const auto usage = usage_in(answer))
    call.context().metrics.tokens(usage->prompt, usage->completion);
}

Status WholeReader::head(const net::ResponseHead& head) {
  head_ = head;
  return {};
}

Status WholeReader::bytes(std::string_view piece) {
  body_ += piece;
  return {};
}

Status MediumReader::head(const net::ResponseHead& head) {
  const std::string_view type = head.headers.get("content-type");
  if (type.empty() || !essence(type).starts_with(kind_)) {
    return serin::fail(bad_upstream("answered with " +
                                    (type.empty() ? "no type" : std::string(type.substr(0, 128))) +
                                    (kind_.empty() ? "" : ", not with " + kind_ + "*")));
  }
  call_->describe();
  net::ResponseHead ours{200, {{"content-type", type}}};
  if (const auto length = head.headers.find("content-length"))
    ours.headers.add("content-length", *length);
  call_->start_medium(std::move(ours));
  return {};
}

Status MediumReader::bytes(std::string_view piece) {
  call_->send_bytes(piece);
  return {};
}

Status MediumReader::end() {
  call_->finish_stream();
  return {};
}

Status EventReader::head(const net::ResponseHead& head) {
  const std::string_view type = essence(head.headers.get("content-type"));
  if (type != "text/event-stream")
    return serin::fail(bad_upstream("was asked for a stream and answered with " +
                                    std::string(type.substr(0, 64))));
  call_->describe();
  return {};
}

Status EventReader::bytes(std::string_view piece) {
  std::vector<net::SseEvent> events;
  if (!parser_.feed(piece, events)) return serin::fail(bad_upstream("sent an event beyond 1 MiB"));
  for (net::SseEvent& event : events) {
    if (ended_) return {};  // nothing comes after the last
    SERIN_TRY_ASSIGN(const RelayedEvent relayed,
                     read_upstream_event(std::move(event), call_->context().service()));
    count(relayed);
    ended_ = relayed.last;
    each_(relayed);
  }
  return {};
}

Status EventReader::end() {
  if (wants_end_ && !ended_) {
    return serin::fail(Error{Code::kUnavailable,
                             "the upstream's stream broke off",
                             "upstream_broke",
                             {},
                             std::chrono::milliseconds(1000)});
  }
  call_->finish_stream();
  return {};
}

void EventReader::count(const RelayedEvent& event) {
  count_usage(*call_, event.data);
  const json::value* delta = event.data.if_contains("delta");  // of /v1/responses
  if (!text_in(event.data) && (delta == nullptr || !delta->is_string())) return;
  const Instant now = call_->context().clock.now();
  if (last_token_ == Instant{}) {
    call_->context().metrics.first_token(now - call_->began());
  } else {
    call_->context().metrics.next_token(now - last_token_);
  }
  last_token_ = now;
}

}  // namespace serin::worker::api
