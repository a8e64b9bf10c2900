// SPDX-License-Identifier: Apache-2.0
#include <cstdint>

#include "worker/api/relay/answer.h"

// The first byte chooses the status; the rest is a body and a stream of events.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace serin;
  using namespace serin::worker::api;
  if (size == 0) return 0;
  const std::string_view body(reinterpret_cast<const char*>(data) + 1, size - 1);
  net::ResponseHead head;
  head.status = static_cast<std::uint16_t>(300 + data[0]);
  error_of_answer(head, body);
  if (auto object = read_upstream_object(body)) {
    usage_in(*object);
    text_in(*object);
    if (const auto picture = image_in(*object)) image_type(*picture);
    rename_model(*object, "ours");
  }
  net::SseParser parser;
  std::vector<net::SseEvent> events;
  parser.feed(body, events);
  for (net::SseEvent& event : events) read_upstream_event(std::move(event), "ours");
  return 0;
}
