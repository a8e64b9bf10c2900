// SPDX-License-Identifier: Apache-2.0
// One streamed text answer as its client sees it, whichever workers it comes from: the events of
// the first worker, and when that one is gone those of another one that goes on.
//
// A worker that is asked with `Serin-Tokens: include` says in each event which token it brought.
// Those ids, and how many events came after the last of them, are the state of the whole: the
// engine's random numbers are a function of seed and position, and it replays the ids through its
// stop strings, its UTF-8 and its penalties (engine/loops/sequence.h), so that what follows is to
// the bit what would have followed. A continuation is asked for with those ids (`serin_continue`);
// where there are none yet, the same request is made anew and what was sent already is left out.
//
// An event goes to the client once it is whole; what a worker said of another one before it died is
// dropped. Each gets an id (event_id.h). Pure; one thread.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "gateway/stream/event_id.h"

namespace serin::gateway {

// Bytes of one event; more is no worker's doing.
inline constexpr std::size_t kMostEventBytes = std::size_t{1} << 20;
// Tokens that are remembered; a continuation of a longer answer makes the others anew.
inline constexpr std::size_t kMostTokens = std::size_t{1} << 16;

class ContinuedStream {
 public:
  // `asked_tokens`: the client itself asked for token ids, and they stay in the events.
  ContinuedStream(std::string package, std::string profile, std::uint64_t seed, bool asked_tokens);
  // A client that comes back: `events` of it have been sent, and the answer keeps its name.
  ContinuedStream(const StreamPosition& position, bool asked_tokens);

  // Takes bytes of the present worker's answer and appends to `out` what the client is to get.
  // kAborted for what is not a stream as workers write it: the try has failed.
  Status feed(std::string_view bytes, std::string& out);
  // The worker is gone, and what comes from now on is another one's answer.
  void go_on();

  // What to ask the other one for.
  const std::vector<std::int64_t>& tokens() const { return tokens_; }
  bool begun() const { return position_.events > 0; }
  bool ended() const { return ended_; }  // the last event was passed on
  // An error that the worker itself told in its stream was the last event.
  bool failed() const { return failed_; }
  const StreamPosition& position() const { return position_; }

 private:
  Status take(std::string_view event, std::string& out);
  Status take_error(std::string_view event, std::string& out);
  void send(std::initializer_list<std::string_view> pieces, std::string& out);

  StreamPosition position_;
  bool asked_tokens_;
  bool ended_ = false;
  bool failed_ = false;
  std::vector<std::int64_t> tokens_;
  std::uint64_t events_at_token_ = 0;  // how many events of the answer the last of them ends
  std::uint64_t seen_ = 0;             // events of the answer, of this worker and those before
  std::string partial_;                // the beginning of an event
};

// The request's body with `serin_continue`, which it must not have yet; `body` is a JSON object.
std::string with_continuation(std::string_view body, std::span<const std::int64_t> tokens);

}  // namespace serin::gateway
