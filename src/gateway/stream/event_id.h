// SPDX-License-Identifier: Apache-2.0
// The id of each event of a streamed answer. It says all that is needed to have the rest again from
// any gateway and any worker of the package, so that a client that repeats its request with
// `Last-Event-ID` (https://html.spec.whatwg.org/multipage/server-sent-events.html) goes on where it
// was, also when the gateway that it spoke to is no more.
//
//   PACKAGE.PROFILE.SEED.CREATED.ANSWER.EVENTS
//   4e91648df8d533e9.9f3a5c01.7.1764359120.cmpl-0f3a….12
//
// A client may make one up: it then gets what it could have asked for anyway.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace serin::gateway {

struct StreamPosition {
  std::string package;     // the first 16 hex digits of its digest
  std::string profile;     // the first 8 hex digits of the SHA-256 of the execution profile's name
  std::uint64_t seed = 0;  // below 2^63
  std::int64_t created = 0;  // the answer's `created`, Unix seconds
  std::string answer;        // its `id`: "cmpl-" or "chatcmpl-" and 24 hex digits
  std::uint64_t events = 0;  // that were sent, this one included
  bool operator==(const StreamPosition&) const = default;
};

std::string write_event_id(const StreamPosition& position);
// Nothing for what write_event_id() cannot have written.
std::optional<StreamPosition> read_event_id(std::string_view id);

// How a package and a profile are named in an id.
std::string short_package(std::string_view digest);  // of "sha256:…"
std::string short_profile(std::string_view profile);

}  // namespace serin::gateway
