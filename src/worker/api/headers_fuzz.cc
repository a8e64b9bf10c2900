// SPDX-License-Identifier: Apache-2.0
// The fields of a request's head that a worker reads itself, a line each: Accept, Serin-Timeout,
// grpc-timeout, traceparent, tracestate. What is taken is one of ours, in range, and read again the
// same.
#include <algorithm>
#include <array>

#include "base/check.h"
#include "telemetry/trace.h"
#include "worker/api/call.h"
#include "worker/api/medium.h"

namespace {

using namespace serin;

void check_accept(std::string_view accept) {
  static const model::Output picture{"image", "image", model::ImageOutput{}};
  const std::vector<std::string_view> also{"application/json", "text/event-stream"};
  auto known = worker::api::media_types(picture);
  known.insert(known.end(), also.begin(), also.end());
  const auto chosen = worker::api::acceptable(picture, accept, also);
  SERIN_CHECK(!chosen || std::ranges::find(known, *chosen) != known.end());
}

void check_timeout(std::string_view field, std::string_view grpc_field) {
  net::RequestHead head;
  head.headers.set("serin-timeout", std::string(field));
  const auto plain = net::requested_timeout(head);
  if (plain && *plain) SERIN_CHECK(**plain >= Duration(0) && **plain <= std::chrono::hours(24));
  head.headers.set("content-type", "application/grpc");
  head.headers.set("grpc-timeout", std::string(grpc_field));
  const auto grpc = net::requested_timeout(head);
  if (grpc && *grpc) SERIN_CHECK(**grpc >= Duration(0));
}

void check_trace(std::string_view traceparent, std::string_view tracestate) {
  const auto context = telemetry::parse_traceparent(traceparent, tracestate);
  if (!context) return;
  const std::string written = telemetry::format_traceparent(*context);
  const auto again = telemetry::parse_traceparent(written);
  SERIN_CHECK(again && telemetry::format_traceparent(*again) == written);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  std::string_view rest(reinterpret_cast<const char*>(data), size);
  std::array<std::string_view, 5> lines;
  for (std::string_view& line : lines) {
    line = rest.substr(0, rest.find('\n'));
    rest.remove_prefix(std::min(line.size() + 1, rest.size()));
  }
  check_accept(lines[0]);
  check_timeout(lines[1], lines[2]);
  check_trace(lines[3], lines[4]);
  return 0;
}
