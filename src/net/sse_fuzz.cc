// SPDX-License-Identifier: Apache-2.0
// Any bytes as an event stream: the events must not depend on how the bytes are cut, and each comes
// back as it is when it is written again.
#include <cstdint>
#include <cstdlib>

#include "net/sse.h"

namespace {

std::vector<serin::net::SseEvent> parse(std::string_view bytes, std::size_t step, bool& within) {
  serin::net::SseParser parser(4096);
  std::vector<serin::net::SseEvent> events;
  within = true;
  for (std::size_t at = 0; at < bytes.size() && within; at += step)
    within = parser.feed(bytes.substr(at, step), events);
  return events;
}

bool same(const serin::net::SseEvent& a, const serin::net::SseEvent& b) {
  return a.event == b.event && a.data == b.data && a.id == b.id;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size < 2) return 0;
  const std::string_view bytes(reinterpret_cast<const char*>(data) + 1, size - 1);
  bool whole_within = false;
  bool cut_within = false;
  const auto whole = parse(bytes, bytes.size(), whole_within);
  const auto cut = parse(bytes, 1u + data[0] % 16, cut_within);
  if (!whole_within || !cut_within) return 0;  // a limit may strike at another place
  if (whole.size() != cut.size()) std::abort();
  for (std::size_t i = 0; i < whole.size(); ++i) {
    if (!same(whole[i], cut[i])) std::abort();
    bool within = false;
    const auto again = parse(to_sse(whole[i]), 7, within);
    if (within && (again.size() != 1 || !same(again[0], whole[i]))) std::abort();
  }
  return 0;
}
