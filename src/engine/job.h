// SPDX-License-Identifier: Apache-2.0
// One request on its way through the engine. Owned by the queue, then by a loop; on one thread at a
// time. It ends with exactly one Finished or Failed: finish() and fail() after the first do
// nothing.
#pragma once

#include <memory>
#include <optional>
#include <utility>

#include "engine/engine.h"

namespace serin::engine {

struct Job {
  Request request;
  Sink sink;
  Instant arrived{};
  double cost = 1;                // estimated calls of the model × rows
  std::uint64_t shape_class = 0;  // requests of one class can share a batch
  bool ended = false;

  void send(Event event) {
    if (!ended) sink(std::move(event));
  }
  void finish(Finished result) {
    send(std::move(result));
    ended = true;
  }
  void fail(Error error) {
    send(Failed{std::move(error)});
    ended = true;
  }
  // Why the work on it should stop now: its client went away or its deadline passed.
  std::optional<Error> gone(Instant now) const {
    if (request.cancel.cancelled()) return Error{Code::kCancelled, "the request was cancelled"};
    if (request.deadline && *request.deadline <= now) {
      return Error{Code::kDeadlineExceeded,
                   "the deadline passed before the generation was complete"};
    }
    return std::nullopt;
  }
};
using JobPtr = std::unique_ptr<Job>;

}  // namespace serin::engine
