// SPDX-License-Identifier: Apache-2.0
// One request on its way through the engine. Owned by the queue, then by a loop; on one thread at a
// time.
//
// It ends with exactly one Finished or Failed, whatever happens: finish() and fail() after the
// first do nothing, and a job that goes without either, because an exception took it along, says
// Failed on its way. Only withdraw() ends one silently.
#pragma once

#include <memory>
#include <optional>
#include <utility>

#include "base/last_resort.h"
#include "engine/engine.h"

namespace serin::engine {

struct Job {
  Job() = default;
  Job(const Job&) = delete;
  Job& operator=(const Job&) = delete;
  ~Job() { fail({Code::kInternal, "the engine lost this request", "request_lost"}); }

  Request request;
  Sink sink;
  Instant arrived{};
  double cost = 1;                // estimated calls of the model × rows
  std::uint64_t shape_class = 0;  // requests of one class can share a batch
  bool ended = false;

  // A sink that throws fails its own request, not its batch-mates.
  void send(Event event) {
    if (ended || tell(std::move(event))) return;
    fail({Code::kUnavailable, "a part of the answer could not be handed on", "event_lost"});
  }
  void finish(Finished result) {
    send(std::move(result));
    ended = true;
  }
  void fail(Error error) noexcept {
    if (!std::exchange(ended, true)) tell(Failed{std::move(error)});
  }
  // It was refused, and its client knows by other means.
  void withdraw() { ended = true; }
  // Why the work on it should stop now: its client went away or its deadline passed.
  std::optional<Error> gone(Instant now) const {
    if (request.cancel.cancelled()) return Error{Code::kCancelled, "the request was cancelled"};
    if (request.deadline && *request.deadline <= now) {
      return Error{Code::kDeadlineExceeded,
                   "the deadline passed before the generation was complete"};
    }
    return std::nullopt;
  }

 private:
  bool tell(Event event) noexcept {
    return !sink || survives("a sink", [&] { sink(std::move(event)); });
  }
};
using JobPtr = std::unique_ptr<Job>;

}  // namespace serin::engine
