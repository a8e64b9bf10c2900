// SPDX-License-Identifier: Apache-2.0
// What a hop changes in the fields of requests and answers (RFC 9110, section 7.6): what belongs to
// one connection stays there; who the request is, and where its trace goes on, is added. Pure but
// for the random numbers of ids.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/clock.h"
#include "net/http/message.h"
#include "telemetry/trace.h"

namespace serin::gateway {

// The client's X-Request-Id where it is harmless to repeat, else a new one.
std::string request_id(const net::Headers& headers, std::uint64_t random);

struct Hop {
  std::string_view request_id;
  const telemetry::SpanContext* trace = nullptr;  // null, or not valid: it is in none
  Duration left{};                                // until the deadline; zero: there is none
  bool grpc = false;
};
net::Headers fields_for_worker(const net::RequestHead& head, const Hop& hop);

// Takes out what belongs to the worker's connection; adds the version that answered.
void change_answer(net::Headers& headers, std::string_view request_id, std::string_view version);

}  // namespace serin::gateway
